import { testBatches } from './batches.ts';

testBatches('sequence', 'random code does', 0.3);
