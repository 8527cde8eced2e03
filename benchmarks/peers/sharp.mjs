// sharp as its users run it, two pictures at a time: node sharp.mjs SHARP_FOLDER INPUT OUTPUT
import { readdir } from "node:fs/promises";
import { createRequire } from "node:module";

const [modules, input, output] = process.argv.slice(2);
const sharp = createRequire(`${modules}/`)("sharp");
sharp.cache(false);
sharp.concurrency(1); // one thread a picture, two pictures: both cores busy, none fought over

const names = (await readdir(input)).values();
const lane = async () => {
  for (const name of names) {
    await sharp(`${input}/${name}`)
      .rotate()
      .resize(200, 200, { fit: "inside", withoutEnlargement: true })
      .jpeg({ quality: 85 })
      .toFile(`${output}/${name}`);
  }
};
await Promise.all([lane(), lane()]);
