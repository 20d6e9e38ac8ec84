// take.mjs URL USER PASSWORD N: the official client for JavaScript as a SIEM's: it takes N alerts from its durable
// consumer, with an inbox of its own, prints each as it came, and acknowledges it.
import { connect } from "@nats-io/transport-node";
import { jetstream } from "@nats-io/jetstream";

const [url, user, pass, n] = process.argv.slice(2);
const nc = await connect({ servers: url, user, pass, inboxPrefix: "_INBOX_" + user });
const consumer = await jetstream(nc).consumers.get("SCAN_ALERTS", "siem");
for (let i = 0; i < Number(n); i++) {
  const m = await consumer.next({ expires: 30_000 });
  if (m === null) throw new Error("nothing came within 30 s");
  process.stdout.write(m.string() + "\n");
  if (!(await m.ackAck())) throw new Error("not acknowledged");
}
await nc.close();
