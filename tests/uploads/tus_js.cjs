// Drives tus-js-client as the browser does. One JSON line in argv, one JSON line out.
const [modules, job] = [process.argv[2], JSON.parse(process.argv[3])];
const tus = require(`${modules}/tus-js-client`);
const fs = require("node:fs");

const file = fs.readFileSync(job.file);
const retryDelays = [0, 50, 100, 200];
const options = {
  endpoint: job.endpoint,
  metadata: { kind: "box", filename: "影像.dcm" },
  retryDelays,
  ...job.options,
};
let interrupted = false;

function run(extra) {
  return new Promise((resolve, reject) => {
    const upload = new tus.Upload(file, {
      ...options,
      ...extra,
      onError: reject,
      onSuccess: () => resolve(upload),
      onChunkComplete: (_size, accepted) => {
        if (job.interruptAfter && !interrupted && accepted >= job.interruptAfter) {
          interrupted = true;
          upload.abort().then(() => run({ uploadUrl: upload.url }).then(resolve, reject));
        }
      },
    });
    upload.start();
  });
}

(async () => {
  const upload = await run({});
  if (job.terminate) await upload.abort(true);
  if (job.again) await run({ uploadUrl: upload.url });
  if (job.afterGone) {
    await tus.Upload.terminate(upload.url, options);
    const second = await run({ uploadUrl: upload.url });
    console.log(JSON.stringify({ url: second.url, first: upload.url }));
    return;
  }
  console.log(JSON.stringify({ url: upload.url, interrupted }));
})().catch((error) => {
  const status = error.originalResponse ? error.originalResponse.getStatus() : 0;
  console.log(JSON.stringify({ error: String(error).slice(0, 300), status }));
});
