// Steps of a client in Node, one after the other. OUTCOMES, ASKED and WAY as in steps.py.
import { appendFileSync } from "node:fs";

export function written(file, what) {
  if (process.env[file]) appendFileSync(process.env[file], `${JSON.stringify(what)}\n`);
}

/** Before it is asked. */
export function asked(caller, what) {
  written("ASKED", { caller, parameters: [], ends: "completed", ...what });
}

/** The first that fails ends it, unless outcomes are wanted. */
export async function run(client, place, steps) {
  let number = 0;
  for (const [step, act] of Object.entries(steps)) {
    number += 1;
    try {
      await act();
    } catch (error) {
      if (!process.env.OUTCOMES) {
        // Not the error itself: it holds the request, and that a token.
        console.error(`${client}: ${step}: ${error.stack}`);
        process.exit(1);
      }
      written("OUTCOMES", { step, why: `${error.name}: ${error.message}`.slice(0, 300) });
      continue;
    }
    written("OUTCOMES", { step, why: null });
    console.log(`${process.env.WAY ?? place}, ${client} ${String(number).padStart(2)}  ${step}`);
  }
  // What a failed upload has left open would keep it here.
  process.exit(0);
}
