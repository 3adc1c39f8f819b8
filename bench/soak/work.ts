/** What the guest of the soak does, again and again with another number, and what must come out of it. */

import { execFileSync, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';

const SOURCE = fileURLToPath(new URL('churn.c', import.meta.url));
const FLAGS = ['-O2', '-Wall', '-Wextra', '-static', '-nostdlib', '-ffreestanding', '-fno-stack-protector', '-fno-pie'];
const LINK_FLAGS = ['-no-pie', '-s', '-Wl,--build-id=none', '-Wl,-z,noseparate-code'];

/** Builds the program that makes code; its path. Throws with what the compiler says. */
export function buildChurn(directory: string): string {
  const program = join(directory, 'churn');
  const gcc = spawnSync('gcc', [...FLAGS, ...LINK_FLAGS, SOURCE, '-o', program], { encoding: 'utf8' });
  if (gcc.status !== 0) throw new Error(`The soak needs gcc for x86-64: ${gcc.error?.message ?? gcc.stderr}`);
  return program;
}

/** Lines "=WORK ROUND RESULT", for ever. */
export function guestScript(program: string): string {
  const encoded = readFileSync(program).toString('base64').replaceAll(/.{76}/g, '$&\n');
  return `
base64 -d >/tmp/churn <<END
${encoded}
END
chmod +x /tmp/churn
i=0
while :; do
  i=$((i + 1))
  sum=0
  for k in 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16 17 18 19 20; do
    v=$(echo $((i * k)) | sed 's/^/1/' | cut -c1-6 | tr 0-9 1-90)
    sum=$((sum + $(expr $v + 0)))
  done
  echo "=storm $i $sum"
  eval "made_$i() { made=\\$((made + \\$1 * $i + 7)); }"
  made=0 k=0
  while [ $k -lt 500 ]; do k=$((k + 1)); made_$i $k; done
  unset -f made_$i
  echo "=eval $i $made"
  echo "=gzip $i $(seq $i $((i + 3000)) | gzip | gunzip | sha256sum | cut -c1-64)"
  echo "=awk $i $(awk -v x=$i 'BEGIN { for (k = 0; k < 20000; k++) x = (x * 1103 + 12345) % 65536; print x }')"
  echo "=sort $i $(seq $i $((i + 1000)) | sort | sed 's/1/one/g' | sha256sum | cut -c1-64)"
  echo "=churn $i $(/tmp/churn $i)"
done
`;
}

const sequence = (from: number, to: number): string[] =>
  Array.from({ length: to - from + 1 }, (_, i) => String(from + i));
const sha256 = (lines: readonly string[]): string =>
  createHash('sha256')
    .update(lines.map((line) => `${line}\n`).join(''))
    .digest('hex');

function storm(i: number): number {
  let sum = 0;
  for (let k = 1; k <= 20; k++) {
    const digits = `1${i * k}`.slice(0, 6);
    sum += Number(digits.replaceAll(/\d/g, (digit) => String((Number(digit) + 1) % 10)));
  }
  return sum;
}

function congruence(x: number): number {
  for (let k = 0; k < 20_000; k++) x = (x * 1103 + 12_345) % 65_536;
  return x;
}

/** What is right, computed by the host; what the made code computes, by the host's own processor. */
export function expected(program: string, work: string, i: number): string | undefined {
  switch (work) {
    case 'storm':
      return String(storm(i));
    case 'eval':
      return String(((500 * 501) / 2) * i + 3500);
    case 'gzip':
      return sha256(sequence(i, i + 3000));
    case 'awk':
      return String(congruence(i));
    case 'sort':
      return sha256(
        sequence(i, i + 1000)
          .sort()
          .map((line) => line.replaceAll('1', 'one')),
      );
    case 'churn':
      return execFileSync(program, [String(i)], { encoding: 'latin1' }).trim();
    default:
      return undefined;
  }
}
