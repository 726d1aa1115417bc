// Runs a scenario file against a running fleet and prints what each person saw.
//
// usage: node dist/scenario.js SCENARIO SETUP    (SETUP: JSON with `realtime`, `channel` and `people`: name to access token)
import { readFileSync } from 'node:fs';
import { Device } from './index.js';

interface Step { offline?: string; online?: string; send?: string; messages?: number; settle?: boolean }
interface Seen { acked: [string, number, string][]; refused: string[]; shown: [number, string][] }

const [scenarioFile, setupText] = process.argv.slice(2);
const scenario: { steps: Step[] } = JSON.parse(readFileSync(scenarioFile!, 'utf8'));
const setup: { realtime: string[]; channel: string; people: Record<string, string> } = JSON.parse(setupText!);
const late = setTimeout(() => { console.error('the scenario took longer than 60 s'); process.exit(1); }, 60_000);

const seen: Record<string, Seen> = {};
const devices: Record<string, Device> = {};
const sent: Record<string, number> = {};
for (const [turn, [name, token]] of Object.entries(setup.people).entries()) {
  const own: Seen = (seen[name] = { acked: [], refused: [], shown: [] });
  const { realtime } = setup;
  devices[name] = new Device({
    realtime: [...realtime.slice(turn % realtime.length), ...realtime.slice(0, turn % realtime.length)],
    token: () => token,
    channels: [setup.channel],
    observer: {
      acked: (client, seq, id) => own.acked.push([client, seq, id]),
      refused: (client, reason) => own.refused.push(`${client}: ${reason}`),
      entry: (entry) => { if (entry.type === 'message.created') own.shown.push([entry.seq, entry.id]); },
    },
  });
}

const away = new Set<string>();
// Everyone who is there has an answer to everything and has seen everything.
async function settled(): Promise<void> {
  const there = Object.keys(devices).filter((name) => !away.has(name));
  for (;;) {
    const answered = there.every((name) => devices[name]!.outstanding === 0);
    const all = Object.values(seen).reduce((sum, own) => sum + own.acked.length, 0);
    if (answered && there.every((name) => seen[name]!.shown.length >= all)) return;
    await new Promise((done) => { setTimeout(done, 20); });
  }
}

for (const step of scenario.steps) {
  if (step.offline) { away.add(step.offline); devices[step.offline]!.offline(); }
  if (step.online) { away.delete(step.online); devices[step.online]!.online(); }
  for (let n = 0; step.send && n < (step.messages ?? 1); n++) {
    const number = sent[step.send] = (sent[step.send] ?? 0) + 1;
    devices[step.send]!.send(setup.channel, `${step.send}-${number}`, `message ${number} of ${step.send}`);
  }
  if (step.settle) await settled();
}
clearTimeout(late);
for (const device of Object.values(devices)) device.stop();
process.stdout.write(`${JSON.stringify(seen)}\n`, () => process.exit(0));
