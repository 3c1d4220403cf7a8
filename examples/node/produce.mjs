// Publish one checked-out cart for each id. The same id again is the same fact again, under the same eventId.
//
// usage: node produce.mjs CART_ID...
//
// Reads ORDERFLOW_KAFKA_BOOTSTRAP, ORDERFLOW_REGISTRY_URL and ORDERFLOW_ENVIRONMENT; the defaults are the local stack's.

import { createHash } from 'node:crypto'
import { compatibilityPartitioner, ProduceAcks, Producer, stringSerializer } from '@platformatic/kafka'
import avro from 'avsc'

const bootstrap = process.env.ORDERFLOW_KAFKA_BOOTSTRAP ?? '127.0.0.1:9092'
const registry = process.env.ORDERFLOW_REGISTRY_URL ?? 'http://127.0.0.1:8081/apis/ccompat/v7'
const environment = process.env.ORDERFLOW_ENVIRONMENT ?? 'dev'
const topic = `carts.${environment}.events`

// The newest version: a subject takes only versions that every reader understands.
async function latestSchema(subject) {
  const response = await fetch(`${registry}/subjects/${encodeURIComponent(subject)}/versions/latest`)
  if (!response.ok) throw new Error(`${subject}: the registry answers ${response.status}`)
  const { id, schema } = await response.json()
  return { id, type: avro.Type.forSchema(JSON.parse(schema)) }
}

// Confluent's framing: a zero, the schema's id in four bytes, the Avro value.
function encode({ id, type }, value) {
  const framing = Buffer.alloc(5)
  framing.writeUInt32BE(id, 1)
  return Buffer.concat([framing, type.toBuffer(value)])
}

// An id that follows from its cause: who repeats a message must repeat its ids. Lower case, as all ids are.
function derivedId(...cause) {
  const hash = createHash('sha256').update(cause.join('/')).digest('hex')
  return `${hash.slice(0, 8)}-${hash.slice(8, 12)}-8${hash.slice(13, 16)}-8${hash.slice(17, 20)}-${hash.slice(20, 32)}`
}

function checkedOut(cartId) {
  const eventId = derivedId(cartId, 'checked out')
  return {
    eventId,
    occurredAt: Date.now(), // milliseconds, UTC
    cartId,
    customerId: derivedId('customer'),
    items: [{ productId: derivedId('product'), quantity: 2, unitPrice: 1250 }], // minor units: cents
    subtotal: 2500,
    total: 2500,
    currency: 'EUR',
    meta: { messageId: eventId }
  }
}

const cartIds = process.argv.slice(2)
if (cartIds.length === 0) {
  console.error('usage: node produce.mjs CART_ID...')
  process.exit(1)
}
const cartSchema = await latestSchema(`${topic}-orderflow.shopping.CartCheckedOut`)
const producer = new Producer({
  clientId: 'example-node',
  bootstrapBrokers: bootstrap.split(','),
  serializers: { key: stringSerializer },
  // Java's murmur2. This client's own default differs from it wherever the partition count is no power of two.
  partitioner: compatibilityPartitioner,
  acks: ProduceAcks.ALL,
  idempotent: true,
  compression: 'lz4'
})
try {
  for (const cartId of cartIds) {
    const sent = await producer.send({ messages: [{ topic, key: cartId, value: encode(cartSchema, checkedOut(cartId)) }] })
    const [{ partition, offset }] = sent.offsets
    console.log(JSON.stringify({ key: cartId, partition, offset: Number(offset) }))
  }
} finally {
  await producer.close()
}
