from cerebelum_cli import main

main()
