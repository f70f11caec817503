/**
 * Finds the number that a challenge asks for: SHA-256(salt + number) is known, the number is not. Runs as a worker, so
 * that the page stays alive; an entry of its own, fetched by whoever is asked for work and by nobody else.
 */

interface Task {
  salt: string;
  challenge: string;
  maxnumber: number;
}

const TOLD_EVERY = 2_000;

/* FIPS 180-4: the first bits of the fractional parts of the cube roots and square roots of the first primes. */
const [K, START] = constants();

function constants(): [Int32Array, Int32Array] {
  const k = new Int32Array(64);
  const start = new Int32Array(8);
  const fraction = (x: number): number => ((x - Math.floor(x)) * 2 ** 32) | 0;
  for (let prime = 2, found = 0; found < 64; prime += 1) {
    let divisor = 2;
    while (divisor * divisor <= prime && prime % divisor !== 0) {
      divisor += 1;
    }
    if (divisor * divisor > prime) {
      k[found] = fraction(Math.cbrt(prime));
      if (found < 8) {
        start[found] = fraction(Math.sqrt(prime));
      }
      found += 1;
    }
  }
  return [k, start];
}

const schedule = new Int32Array(64);

function at(words: Int32Array, place: number): number {
  return words[place] as number;
}

/** Takes one block of 64 bytes into the state. */
function compress(state: Int32Array, bytes: Uint8Array, from: number): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset + from, 64);
  for (let i = 0; i < 16; i += 1) {
    schedule[i] = view.getInt32(4 * i);
  }
  for (let i = 16; i < 64; i += 1) {
    const x = at(schedule, i - 15);
    const y = at(schedule, i - 2);
    const s0 = ((x >>> 7) | (x << 25)) ^ ((x >>> 18) | (x << 14)) ^ (x >>> 3);
    const s1 = ((y >>> 17) | (y << 15)) ^ ((y >>> 19) | (y << 13)) ^ (y >>> 10);
    schedule[i] = (at(schedule, i - 16) + s0 + at(schedule, i - 7) + s1) | 0;
  }
  let [a, b, c, d, e, f, g, h] = state as unknown as [
    number, number, number, number, number, number, number, number,
  ];
  for (let i = 0; i < 64; i += 1) {
    const s1 = ((e >>> 6) | (e << 26)) ^ ((e >>> 11) | (e << 21)) ^ ((e >>> 25) | (e << 7));
    const t1 = (h + s1 + ((e & f) ^ (~e & g)) + at(K, i) + at(schedule, i)) | 0;
    const s0 = ((a >>> 2) | (a << 30)) ^ ((a >>> 13) | (a << 19)) ^ ((a >>> 22) | (a << 10));
    const t2 = (s0 + ((a & b) ^ (a & c) ^ (b & c))) | 0;
    [h, g, f, e, d, c, b, a] = [g, f, e, (d + t1) | 0, c, b, a, (t1 + t2) | 0];
  }
  [a, b, c, d, e, f, g, h].forEach((word, i) => {
    state[i] = (at(state, i) + word) | 0;
  });
}

/** The number, or null where none up to the greatest fits. */
export function find(task: Task, tell: (share: number) => void): number | null {
  const encoder = new TextEncoder();
  const salt = encoder.encode(task.salt);
  const wanted = Int32Array.from({ length: 8 }, (_, i) => parseInt(task.challenge.slice(8 * i, 8 * i + 8), 16) | 0);
  // The salt's whole blocks are the same for every number.
  const whole = salt.length - (salt.length % 64);
  const before = START.slice();
  for (let from = 0; from < whole; from += 64) {
    compress(before, salt, from);
  }
  const rest = salt.length - whole;
  const block = new Uint8Array(128);
  const state = new Int32Array(8);
  for (let number = 0; number <= task.maxnumber; number += 1) {
    const digits = encoder.encode(String(number));
    const length = rest + digits.length;
    const size = length + 9 > 64 ? 128 : 64;
    block.fill(0);
    block.set(salt.subarray(whole));
    block.set(digits, rest);
    block[length] = 0x80;
    new DataView(block.buffer).setUint32(size - 4, 8 * (whole + length));
    state.set(before);
    for (let from = 0; from < size; from += 64) {
      compress(state, block, from);
    }
    if (state.every((word, i) => word === wanted[i])) {
      return number;
    }
    if (number % TOLD_EVERY === 0) {
      tell(number / task.maxnumber);
    }
  }
  return null;
}

self.addEventListener("message", (event: MessageEvent<Task>) => {
  const number = find(event.data, (share) => self.postMessage({ share }));
  self.postMessage({ number });
});
