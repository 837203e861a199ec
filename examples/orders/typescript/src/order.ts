// Starts the same workflow from TypeScript, with buf's own plugins, and waits for its end:
//   node dist/order.js 8 book
import { create, fromBinary, getOption, toBinary } from "@bufbuild/protobuf";
import { Code, ConnectError, createClient } from "@connectrpc/connect";
import { createGrpcTransport } from "@connectrpc/connect-node";
import { workflow } from "./gen/cerebelum/options/v1/options_pb.js";
import { StreamService } from "./gen/cerebelum/stream/v1/stream_pb.js";
import { ExecutionState, type ExecutionStatus, WorkerService } from "./gen/cerebelum/worker/worker_service_pb.js";
import { BackorderedSchema, OrderFulfilment, OrderSchema, ShipmentSchema } from "./gen/shop/v1/orders_pb.js";

const url = `http://${process.env.CEREBELUM_URL ?? "localhost:50051"}`;
const transport = createGrpcTransport({ baseUrl: url });
const core = createClient(WorkerService, transport);
const stream = createClient(StreamService, transport);

// What the contract says: the name, how the id is made, the tags.
const told = getOption(OrderFulfilment, workflow);

async function start(orderId: bigint, skus: string[]): Promise<string> {
  const order = create(OrderSchema, { orderId, skus });
  const executionId = told.executionId.replace("{order_id}", String(orderId));
  await core.executeWorkflow({
    workflowModule: told.name || OrderFulfilment.typeName,
    exactInputs: { encoding: `protobuf:${OrderSchema.typeName}`, data: toBinary(OrderSchema, order) },
    options: { executionId, tags: told.tags },
  });
  return executionId;
}

async function ended(executionId: string): Promise<ExecutionStatus> {
  const over = [ExecutionState.EXECUTION_COMPLETED, ExecutionState.EXECUTION_FAILED, ExecutionState.EXECUTION_CANCELLED];
  for (;;) {
    try {
      const { status } = await stream.awaitResult({ executionId, timeoutMs: 20_000 });
      if (status !== undefined && over.includes(status.status)) return status;
    } catch (error) {
      // A Core that is gone comes back, and the execution with it.
      if (![Code.Unavailable, Code.Canceled].includes(ConnectError.from(error).code)) throw error;
      await new Promise((resolve) => setTimeout(resolve, 200));
    }
  }
}

const [orderId, ...skus] = process.argv.slice(2);
const executionId = await start(BigInt(orderId ?? "0"), skus);
console.log(`started ${executionId}`);
const status = await ended(executionId);
const output = status.outputs[status.resultSteps[0] ?? ""];
if (status.status !== ExecutionState.EXECUTION_COMPLETED || output === undefined) {
  console.log(`${executionId}: ${status.error?.message}`);
} else if (output.encoding === `protobuf:${BackorderedSchema.typeName}`) {
  console.log(`order ${fromBinary(BackorderedSchema, output.data).orderId} is out of stock`);
} else {
  const shipment = fromBinary(ShipmentSchema, output.data);
  console.log(`${shipment.trackingId} is on its way to ${shipment.address}`);
}
