// Read checked-out carts from the beginning, then wait for more. Started again, it goes on where it stopped.
//
// usage: node consume.mjs [COUNT]
//
// COUNT: stop after so many carts. Reads ORDERFLOW_KAFKA_BOOTSTRAP, ORDERFLOW_REGISTRY_URL and ORDERFLOW_ENVIRONMENT;
// the defaults are the local stack's.

import { Consumer, MessagesStreamFallbackModes, MessagesStreamModes, stringDeserializer } from '@platformatic/kafka'
import avro from 'avsc'

const bootstrap = process.env.ORDERFLOW_KAFKA_BOOTSTRAP ?? '127.0.0.1:9092'
const registry = process.env.ORDERFLOW_REGISTRY_URL ?? 'http://127.0.0.1:8081/apis/ccompat/v7'
const environment = process.env.ORDERFLOW_ENVIRONMENT ?? 'dev'
const wanted = process.argv[2] === undefined ? Infinity : Number(process.argv[2])
if (process.argv.length > 3 || Number.isNaN(wanted)) {
  console.error('usage: node consume.mjs [COUNT]')
  process.exit(1)
}

const types = new Map()

// The schema that a record was written with; an id never changes its meaning, so it is asked for once.
async function typeOf(id) {
  if (!types.has(id)) {
    const response = await fetch(`${registry}/schemas/ids/${id}`)
    if (response.status === 404) return undefined
    // The registry is away, the record is not at fault: stop, and read it again after a restart.
    if (!response.ok) throw new Error(`schema ${id}: the registry answers ${response.status}`)
    types.set(id, avro.Type.forSchema(JSON.parse((await response.json()).schema)))
  }
  return types.get(id)
}

// What a record says, or why it can't be read.
async function decode(value) {
  if (!value || value.length < 5 || value[0] !== 0) return { problem: 'no record in Confluent framing' }
  const id = value.readUInt32BE(1)
  const type = await typeOf(id)
  if (type === undefined) return { problem: `the registry has no schema ${id}` }
  try {
    return { name: type.name, fields: type.fromBuffer(value.subarray(5)) }
  } catch (error) {
    return { problem: `${type.name}: ${error.message}` }
  }
}

const consumer = new Consumer({
  clientId: 'example-node',
  groupId: `example-node-${environment}`,
  bootstrapBrokers: bootstrap.split(','),
  deserializers: { key: stringDeserializer }
})
const stream = await consumer.consume({
  topics: [`carts.${environment}.events`],
  mode: MessagesStreamModes.COMMITTED,
  fallbackMode: MessagesStreamFallbackModes.EARLIEST,
  autocommit: false
})
let shown = 0
for await (const record of stream) {
  const { name, fields, problem } = await decode(record.value)
  switch (name) {
    case 'orderflow.shopping.CartCheckedOut':
      console.log(JSON.stringify({ partition: record.partition, offset: Number(record.offset), cart: fields }))
      shown += 1
      break
    case undefined:
      console.error(`${record.topic}-${record.partition}@${record.offset} skipped: ${problem}`)
      break
    default: // a topic carries several types, and more of them with time: leave those that you don't know
  }
  // Only now is it read: a crash before this line repeats the record instead of losing it.
  await record.commit()
  if (shown === wanted) break
}
await consumer.close(true)
