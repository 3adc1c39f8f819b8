import assert from 'node:assert/strict';
import { test } from 'node:test';
import { get16, put16 } from './bytes.ts';
import { isAnswerTo, isQuery, serverFailure, withIdentification } from './dns.ts';
import { answerTo, question } from './test-dns.ts';
import { testRandom } from './test-network.ts';

const query = question('www.example.org');

test('a question is one, an answer, an update and a transfer are none', () => {
  assert(isQuery(query));
  assert(isQuery(question('org', 1, 28)));
  assert(!isQuery(answerTo(query, [1, 2, 3, 4])));
  const update = query.slice();
  put16(update, 2, 5 << 11);
  assert(!isQuery(update));
  assert(!isQuery(question('example.org', 1, 252)));
  assert(!isQuery(question('example.org', 1, 251)));
});

test('what is cut short, asks twice or points about is no question', () => {
  for (let length = 0; length < query.length; length++) assert(!isQuery(query.subarray(0, length)), `${length}`);
  const two = query.slice();
  put16(two, 4, 2);
  assert(!isQuery(two));
  const pointer = query.slice();
  pointer[12] = 0xc0;
  assert(!isQuery(pointer));
  assert(!isQuery(question(new Array(130).fill('a').join('.'))), 'names have 255 bytes at most');
});

test('an answer has the identification and the question, in whatever case', () => {
  const answer = answerTo(query, [1, 2, 3, 4]);
  assert(isAnswerTo(answer, query));
  assert(!isAnswerTo(query, query));
  assert(!isAnswerTo(withIdentification(answer, 7), query));
  assert(isAnswerTo(answerTo(question('WWW.eXample.org'), [1, 2, 3, 4]), query));
  assert(!isAnswerTo(answerTo(question('www.example.com'), [1, 2, 3, 4]), query));
  assert(!isAnswerTo(answer.subarray(0, 20), query));
});

test('a failure answers the question', () => {
  const failure = serverFailure(query);
  assert(isAnswerTo(failure, query));
  assert.equal(get16(failure, 2) & 15, 2);
  assert.equal(get16(failure, 2) & 0x100, 0x100, 'recursion was desired');
});

test('noise is neither question nor answer to a question, nor the end', () => {
  const random = testRandom(3);
  for (let i = 0; i < 50_000; i++) {
    const noise = Uint8Array.from({ length: random() % 64 }, () => random());
    isQuery(noise);
    isAnswerTo(noise, noise);
    serverFailure(noise.length < 12 ? new Uint8Array(12) : noise);
  }
});
