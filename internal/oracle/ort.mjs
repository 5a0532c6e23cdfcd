// Runs models in ONNX Runtime: node ort.mjs NODE_MODULES, with a directory on each line of standard input, which is answered with a
// line when it is done.
//
// DIR/request.json says what: { model, inputs: [{ name, type, shape, file }], level, saveOptimized }.
// Tensors are files of little-endian elements. DIR/response.json lists the outputs in the same form, or has
// an error.
import { readFileSync, writeFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';
import { createInterface } from 'node:readline';

const modules = process.argv.at(-1);
const ort = createRequire(join(modules, 'x'))('onnxruntime-node');

const arrays = {
  float32: Float32Array, float16: Uint16Array, int8: Int8Array, uint8: Uint8Array, float64: Float64Array, int32: Int32Array, int64: BigInt64Array, bool: Uint8Array,
};

function read(dir, { name, type, shape, file }) {
  const bytes = readFileSync(join(dir, file));
  const buffer = bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
  return [name, new ort.Tensor(type, new arrays[type](buffer), shape)];
}

async function run(dir) {
  const request = JSON.parse(readFileSync(join(dir, 'request.json')));
  const options = {
    graphOptimizationLevel: request.level,
    intraOpNumThreads: 1,
    interOpNumThreads: 1,
    logSeverityLevel: 3,
  };
  if (request.saveOptimized) options.optimizedModelFilePath = request.saveOptimized;
  const session = await ort.InferenceSession.create(request.model, options);
  try {
    const results = await session.run(Object.fromEntries(request.inputs.map((input) => read(dir, input))));
    return session.outputNames.map((name, i) => {
      const { type, dims, data } = results[name];
      const file = `output${i}`;
      writeFileSync(join(dir, file), new Uint8Array(data.buffer, data.byteOffset, data.byteLength));
      return { name, type, shape: dims, file };
    });
  } finally {
    await session.release();
  }
}

for await (const dir of createInterface({ input: process.stdin })) {
  const response = {};
  try {
    response.outputs = await run(dir);
  } catch (e) {
    response.error = String(e.message ?? e);
  }
  writeFileSync(join(dir, 'response.json'), JSON.stringify(response));
  console.log(dir);
}
