const BASE_MS = 500;
// A screen is not live for at most so long after the server is back.
const CAP_MS = 10_000;

/** Full jitter: anywhere between now and a ceiling that doubles with each failed attempt, so that a fleet spreads out. */
export function backoff(attempt: number, random: () => number): number {
  return Math.round(random() * Math.min(CAP_MS, BASE_MS * 2 ** attempt));
}

/** What a close code asks for: 40xx stop, 41xx back off, 42xx come back now; anything else is an accident of the network. */
export function verdict(code: number): "stop" | "slow" | "now" | "retry" {
  const range = Math.floor(code / 100);
  return range === 40 ? "stop" : range === 41 ? "slow" : range === 42 ? "now" : "retry";
}
