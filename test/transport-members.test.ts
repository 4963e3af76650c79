import assert from 'node:assert/strict'
import { afterEach, describe, it } from 'node:test'
import { addressesFor, commit, Station, stopStations } from './transport-station.js'

describe('a transport whose peers change', { timeout: 20_000 }, () => {
  afterEach(stopStations)

  it('lets in who knows newer members, and answers it where it says that it is', async () => {
    const addresses = await addressesFor(3)
    const three = addresses.get(3)!
    addresses.delete(3)
    const [one, newcomer] = [new Station(1, addresses), new Station(3, new Map([[3, three]]))]
    await Promise.all([one.start(), newcomer.start()])
    const known = new Map([...addresses, [3, three]])
    newcomer.transport.update({
      addresses: known,
      configIndex: 8,
      isLed: false,
      disks: new Map(),
      kept: new Map(),
      level: 0,
      incarnation: 0,
    })
    await Promise.all([one.connectedTo(3), newcomer.connectedTo(1)])
    one.transport.send(3, commit(1))
    await newcomer.until(() => newcomer.items.length === 1)
    assert.deepEqual(newcomer.items, [{ from: 1, item: commit(1) }])
  })

  it('remembers the disk of a peer that was let in before it was known to be a member, as soon as it is', async () => {
    const addresses = await addressesFor(3)
    const known = new Map(addresses)
    addresses.delete(3)
    const [one, three] = [new Station(1, addresses), new Station(3, known)]
    const remembered: number[] = []
    one.remember = ({ from }) => void remembered.push(from)
    const news = { configIndex: 8, isLed: false, disks: new Map(), kept: new Map(), level: 0, incarnation: 0 }
    await Promise.all([one.start(), three.start()])
    three.transport.update({ addresses: known, ...news })
    await three.connectedTo(1)
    assert.deepEqual(remembered, [])
    one.transport.update({ addresses: known, ...news })
    assert.deepEqual(remembered, [3])
  })

  it('lets go who is no member any more, and does not let it in again', async () => {
    const addresses = await addressesFor(2)
    const [one, two] = [new Station(1, addresses), new Station(2, addresses)]
    await Promise.all([one.start(), two.start()])
    await Promise.all([one.connectedTo(2), two.connectedTo(1)])
    one.transport.update({
      addresses: new Map([...addresses].slice(0, 1)),
      configIndex: 9,
      isLed: false,
      disks: new Map(),
      kept: new Map(),
      level: 0,
      incarnation: 0,
    })
    await two.until(() => two.logged.some((line) => /node 2 is no member as far as node 1 knows/.test(line)))
    assert.deepEqual(two.events.at(-1), 'disconnected 1')
    await one.until(() => one.transport.connected().size === 0)
  })

  it('finds a member where it has moved to', async () => {
    const addresses = await addressesFor(3)
    const moved = addresses.get(3)!
    addresses.delete(3)
    const [one, elsewhere] = [new Station(1, addresses), new Station(2, new Map([...addresses, [2, moved]]))]
    await Promise.all([one.start(), elsewhere.start()])
    one.transport.update({
      addresses: new Map([...addresses, [2, moved]]),
      configIndex: 0,
      isLed: false,
      disks: new Map(),
      kept: new Map(),
      level: 0,
      incarnation: 0,
    })
    await one.connectedTo(2)
    one.transport.send(2, commit(1))
    await elsewhere.until(() => elsewhere.items.length === 1)
  })

  it('tells one on another disk that it is not the member it was, and hears nothing of it (fault 17)', async () => {
    const addresses = await addressesFor(2)
    const [one, emptied] = [new Station(1, addresses), new Station(2, addresses)]
    one.transport.update({
      addresses,
      configIndex: 0,
      isLed: true,
      disks: new Map([[2, 99]]),
      kept: new Map(),
      level: 1,
      incarnation: 0,
    })
    await Promise.all([one.start(), emptied.start()])
    await emptied.until(() =>
      emptied.events.some((event) => /^disowned, disk lost: .*another disk/.test(event)),
    )
    await one.connectedTo(2)
    emptied.transport.send(1, commit(1))
    assert.deepEqual(one.items, [])
  })

  it('tells one on an earlier copy of its disk that it had more, and hears nothing of it (fault 26)', async () => {
    const addresses = await addressesFor(2)
    const [one, rolledBack] = [new Station(1, addresses), new Station(2, addresses)]
    rolledBack.lastIndex = 4
    const disks = new Map([[2, 2]])
    one.transport.update({
      addresses,
      configIndex: 0,
      isLed: true,
      disks,
      kept: new Map([[2, 5]]),
      level: 1,
      incarnation: 0,
    })
    await Promise.all([one.start(), rolledBack.start()])
    await rolledBack.until(() =>
      rolledBack.events.some((event) => /^disowned, end_of_log lost: .*had entry 5 on disk/.test(event)),
    )
    await one.connectedTo(2)
    rolledBack.transport.send(1, commit(1))
    assert.deepEqual(one.items, [])
    // The log is looked at anew for each hello.
    rolledBack.lastIndex = 5
    await rolledBack.connectedTo(1)
  })

  it('hears nothing more of one that was let in once the log names another disk of it (fault 17)', async () => {
    const addresses = await addressesFor(2)
    const [one, emptied] = [new Station(1, addresses), new Station(2, addresses)]
    const disks = new Map<number, number>()
    const book = { addresses, configIndex: 0, isLed: true, disks, kept: new Map(), level: 1, incarnation: 0 }
    one.transport.update(book)
    await Promise.all([one.start(), emptied.start()])
    await Promise.all([one.connectedTo(2), emptied.connectedTo(1)])
    disks.set(2, 99)
    one.transport.update(book)
    emptied.transport.send(1, commit(1))
    await emptied.until(() => emptied.events.some((event) => /^disowned, disk lost/.test(event)))
    assert.deepEqual(one.items, [])
  })

  it('hears nothing of one of another incarnation, and does not tell it that its disk is lost', async () => {
    const addresses = await addressesFor(2)
    const [one, two] = [new Station(1, addresses), new Station(2, addresses)]
    const book = { addresses, configIndex: 0, isLed: true, kept: new Map(), level: 1 }
    one.transport.update({ ...book, disks: new Map([[2, 99]]), incarnation: 5 })
    two.transport.update({ ...book, disks: new Map(), incarnation: 6 })
    await Promise.all([one.start(), two.start()])
    for (const [station, peer] of [
      [one, 2],
      [two, 1],
    ] as const) {
      await station.until(() => station.logged.some((line) => /of another incarnation/.test(line)))
      station.transport.send(peer, commit(1))
      assert.deepEqual([station.events, station.items], [[], []])
    }
  })

  it('says nothing to peers and hears nothing of them once it is fenced off, but goes on asking who it is', async () => {
    const addresses = await addressesFor(2)
    const [one, two] = [new Station(1, addresses), new Station(2, addresses)]
    await Promise.all([one.start(), two.start()])
    await Promise.all([one.connectedTo(2), two.connectedTo(1)])
    two.transport.send(1, commit(1))
    two.transport.fence()
    two.transport.send(1, commit(2))
    assert.equal(two.transport.connected().size, 0)
    one.transport.send(2, commit(3))
    const disks = new Map([[2, 99]])
    one.transport.update({
      addresses,
      configIndex: 0,
      isLed: true,
      disks,
      kept: new Map(),
      level: 1,
      incarnation: 0,
    })
    await two.until(() => two.events.some((event) => /^disowned, disk lost/.test(event)))
    assert.deepEqual([one.items, two.items], [[], []])
  })

  it('lets in a member that it has never met when it has written down on which disk that is (fault 17)', async () => {
    const addresses = await addressesFor(2)
    const [one, two] = [new Station(1, addresses), new Station(2, addresses)]
    let written = (): void => undefined
    const met: number[] = []
    one.remember = ({ disk }) => {
      met.push(disk)
      return new Promise((resolve) => {
        written = resolve
      })
    }
    await Promise.all([one.start(), two.start()])
    await one.until(() => one.transport.connected().has(2))
    assert.deepEqual([met, [...two.transport.connected()], [...one.transport.levels()]], [[2], [], []])
    written()
    await two.connectedTo(1)
    two.transport.send(1, commit(1))
    await one.until(() => one.items.length === 1)
  })

  it('that it had less when it came is nothing against a peer that has told more since (fault 26)', async () => {
    const addresses = await addressesFor(3)
    const stations = [1, 2, 3].map((id) => new Station(id, addresses))
    const [one, two, three] = stations as [Station, Station, Station]
    await Promise.all(stations.map((station) => station.start()))
    await Promise.all([two.connectedTo(1), three.connectedTo(1)])
    const members = new Map([...addresses].slice(0, 2))
    const book = {
      addresses: members,
      configIndex: 9,
      isLed: true,
      disks: new Map([[2, 2]]),
      level: 1,
      incarnation: 0,
    }
    one.transport.update({ ...book, kept: new Map([[2, 5]]) })
    // After a moment all that are let in are looked at anew.
    await three.until(() => three.events.includes('disconnected 1'))
    assert.ok(two.transport.connected().has(1))
    assert.ok(!two.events.includes('disconnected 1'))
  })

  it('knows the feature level of those whose streams are open', async () => {
    const addresses = await addressesFor(2)
    const [one, two] = [new Station(1, addresses), new Station(2, addresses)]
    await Promise.all([one.start(), two.start()])
    await one.until(() => one.transport.levels().get(2) === 1)
    await two.transport.stop()
    await one.until(() => !one.transport.levels().has(2))
  })
})
