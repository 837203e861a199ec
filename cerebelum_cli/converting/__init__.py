"""One model, two spellings: a decorated workflow as a proto contract, a declared one as decorated steps."""
