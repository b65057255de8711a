//! The world in plain memory: words, slots and buckets, through which [`steer`] sends what clients send while
//! an operator changes them. Changes of many slots are interleaved with packets, as they are beside the kernel
//! program. The model knows where every connection began, and holds the real code to it.

use core::{
    cell::Cell,
    sync::atomic::{AtomicU64, Ordering::Relaxed},
};
use std::{collections::BTreeMap, vec::Vec};

use crate::{
    abi::{
        backend::{Backend, NextHop},
        endpoint::{Endpoint, EndpointKey, EndpointKind, Family, mapped},
        flow::{BUCKET_ENTRIES, FlowEntry},
        outcome::Outcome,
        service::Service,
        slot::Slot,
        switch::{Color, Share, Side, SwitchWord},
    },
    decide::{Hashes, Signal, plan},
    flow::{self, FlowKey, bucket_index},
    hash::Seed,
    packet::{Addresses, Internet, Parsed, Transport},
    steer::{Course, World, hashes, slot_index, steer},
};

pub(super) const SLOTS: u32 = 61;
const VIRTUAL: u32 = 1;

pub(super) type Tuple = u16;

/// What may happen.
#[derive(Clone, Debug)]
pub(super) enum Event {
    /// A SYN: a new connection, a tuple used again, or a SYN sent again.
    Open(Tuple),
    /// A packet of the connection, if it is open.
    Packet(Tuple),
    /// Its last packet.
    Close(Tuple),
    /// Another share: a flip, a step, a rollback.
    Share(u16),
    /// A backend comes: it takes every `n`th slot from `offset` on, with packets in between.
    Add { color: Color, every: u32, offset: u32, between: Vec<Self> },
    /// A backend goes: its slots go to another one, with packets in between.
    Remove { color: Color, slot: u32, between: Vec<Self> },
    /// The base share moves to here if that is on its way to now: some connections are let go.
    Pace(u16),
    /// The transition ends if nothing is at risk; with `hard`, what is at risk is closed first.
    Rebase { hard: bool, between: Vec<Self> },
    /// Entries grow older.
    Age,
}

struct Connection {
    backend: u16,
    established: bool,
}

pub(super) struct Model {
    word: AtomicU64,
    slots: Vec<AtomicU64>,
    buckets: Vec<[AtomicU64; BUCKET_ENTRIES]>,
    service: Service,
    backends: Vec<Backend>,
    at_risk: Cell<u32>,
    connections: BTreeMap<Tuple, Connection>,
    /// How often there was no room for a connection, or not without another's.
    pub(super) crowded: u32,
}

impl<'a> World for &'a Model {
    type Bucket = &'a [AtomicU64; BUCKET_ENTRIES];

    fn seed(&self) -> Seed {
        Seed([0x1111_2222_3333_4444, 0x5555_6666_7777_8888])
    }

    fn endpoint(&self, key: &EndpointKey) -> Option<Endpoint> {
        let kind = EndpointKind::Virtual as u16;
        (key.address[3] == VIRTUAL).then_some(Endpoint { kind, service: 1, backend: 0, pad: 0 })
    }

    fn service(&self, index: u16) -> Option<&Service> {
        (index == 1).then_some(&self.service)
    }

    fn word(&self, _switch: u16) -> Option<SwitchWord> {
        Some(self.now_word())
    }

    fn slot(&self, index: u32) -> Option<Slot> {
        Some(Slot(self.slots[index as usize].load(Relaxed)))
    }

    fn backend(&self, index: u16) -> Option<&Backend> {
        self.backends.get(usize::from(index))
    }

    fn bucket(&self, connection: u64) -> Option<Self::Bucket> {
        let buckets = &self.buckets;
        buckets.get(bucket_index(connection, u32::try_from(buckets.len()).unwrap()) as usize)
    }

    fn witness(&self, _switch: u16, word: SwitchWord) {
        assert!(word.tracking());
    }

    fn at_risk(&self, _switch: u16, _connection: u64) {
        self.at_risk.set(self.at_risk.get() + 1);
    }
}

/// The packet of a tuple: an eighth as many clients as tuples.
fn packet(tuple: Tuple, signal: Signal) -> Transport {
    Transport {
        internet: Internet {
            addresses: Addresses {
                family: Family::V4,
                source: mapped(0x0a00_0000 | u32::from(tuple / 8)),
                destination: mapped(VIRTUAL),
            },
            ttl: 64,
            length: 40,
            payload: 20,
            protocol: 6,
        },
        source_port: tuple % 8,
        destination_port: 80,
        signal,
    }
}

impl Model {
    pub(super) fn new(buckets: usize, flags: u8) -> Self {
        let hop = NextHop::default();
        let backend = |color| Backend {
            address: mapped(2),
            hops: [hop; 2],
            port: 0,
            address_sum: 0,
            service: 1,
            color: color as u8,
            hop: 0,
        };
        let service = Service {
            connection_salt: 1,
            draw_salt: 2,
            address: mapped(VIRTUAL),
            ring_start: 0,
            ring_len: SLOTS,
            switch: 0,
            port: 80,
            address_sum: 0,
            memory: 0,
            flags,
            index: 1,
            pad: [0; 14],
        };
        // Backend 0 is none; 1 and 2 are blue, 3 and 4 green.
        let [blue, green] = Color::ALL.map(backend);
        let slot = |at: u32| {
            let either = u16::try_from(at % 2).unwrap();
            let slot = Slot::default().with(Color::Blue, Side::Now, 1 + either);
            AtomicU64::new(slot.with(Color::Green, Side::Now, 3 + either).rebased().0)
        };
        Self {
            word: AtomicU64::new(SwitchWord::settled(Share::ZERO, 0).0),
            slots: (0..SLOTS).map(slot).collect(),
            buckets: (0..buckets).map(|_| Default::default()).collect(),
            service,
            backends: std::vec![blue, blue, blue, green, green],
            at_risk: Cell::new(0),
            connections: BTreeMap::new(),
            crowded: 0,
        }
    }

    pub(super) fn now_word(&self) -> SwitchWord {
        SwitchWord(self.word.load(Relaxed))
    }

    fn hashes(&self, tuple: Tuple) -> Hashes {
        hashes((&self).seed(), &self.service, &packet(tuple, Signal::Continue))
    }

    fn slot_of(&self, tuple: Tuple) -> Slot {
        Slot(self.slots[slot_index(&self.service, self.hashes(tuple).draw) as usize].load(Relaxed))
    }

    fn plan(&self, tuple: Tuple, word: SwitchWord, side: Side) -> u16 {
        plan(word, self.slot_of(tuple), self.hashes(tuple).draw, side).1
    }

    fn remembered(&self, tuple: Tuple) -> bool {
        let connection = self.hashes(tuple).connection;
        let bucket = (&self).bucket(connection).unwrap();
        flow::find(bucket, FlowKey::new(connection, self.now_word().epoch())).is_some()
    }

    /// Where the real code sends a packet.
    fn send(&self, tuple: Tuple, signal: Signal) -> (u16, Outcome) {
        self.at_risk.set(0);
        let (index, outcome) = match steer(&self, &Parsed::Transport(packet(tuple, signal))) {
            Course::Forward { index, outcome, .. } => (index, outcome),
            course => panic!("{tuple}: {course:?}"),
        };
        let at_risk = self.now_word().tracking() && index != self.plan(tuple, self.now_word(), Side::Now);
        assert_eq!(self.at_risk.get(), u32::from(at_risk), "{tuple}: {outcome:?} told as at risk or not");
        (index, outcome)
    }

    fn at_risk_connections(&self) -> Vec<Tuple> {
        let plan = |tuple| self.plan(tuple, self.now_word(), Side::Now);
        let moving =
            self.connections.iter().filter(|(tuple, connection)| plan(**tuple) != connection.backend);
        moving.map(|(tuple, _)| *tuple).collect()
    }

    fn let_go(&mut self, tuples: &[Tuple]) {
        self.connections.retain(|tuple, _| !tuples.contains(tuple));
    }

    fn open(&mut self, tuple: Tuple) {
        let (backend, outcome) = self.send(tuple, Signal::Open);
        if outcome == Outcome::Retransmitted
            && let Some(connection) = self.connections.get(&tuple)
        {
            assert_eq!(backend, connection.backend, "{tuple}: a SYN sent again went elsewhere");
        }
        self.crowded += u32::from(matches!(outcome, Outcome::Refused | Outcome::Evicted));
        self.connections.insert(tuple, Connection { backend, established: false });
    }

    fn packet(&mut self, tuple: Tuple, signal: Signal) {
        let Some(connection) = self.connections.get(&tuple) else { return };
        // The memory of a connection that is not yet established may have been taken by another.
        let forgotten = self.now_word().tracking() && !connection.established && !self.remembered(tuple);
        let (wanted, (backend, outcome)) = (connection.backend, self.send(tuple, signal));
        if forgotten && backend != wanted {
            self.connections.remove(&tuple);
            return;
        }
        assert_eq!(backend, wanted, "{tuple}: {outcome:?}, {:?}", self.now_word());
        self.connections.insert(tuple, Connection { backend, established: true });
    }

    pub(super) fn run(&mut self, event: &Event) {
        match event {
            Event::Open(tuple) => self.open(*tuple),
            Event::Packet(tuple) => self.packet(*tuple, Signal::Continue),
            Event::Close(tuple) => {
                self.packet(*tuple, Signal::Close);
                self.connections.remove(tuple);
            }
            Event::Share(points) => {
                self.word.store(self.now_word().step(Share::new(*points).unwrap()).0, Relaxed);
            }
            Event::Add { color, every, offset, between } => {
                let index = u16::try_from(self.backends.len()).unwrap();
                let like = self.backends.iter().find(|backend| backend.color == *color as u8).unwrap();
                self.backends.push(*like);
                let slots = (offset % every..SLOTS).step_by(*every as usize);
                self.move_slots(slots, *color, |_| index, between);
            }
            Event::Remove { color, slot, between } => {
                let backends = self.now_backends(*color);
                let [leaving, staying] =
                    [slot, &(slot + 1)].map(|at| backends[*at as usize % backends.len()]);
                let slots = (0..SLOTS).filter(|at| self.now_backend(*at, *color) == leaving);
                let slots: Vec<_> = slots.collect();
                self.move_slots(slots.into_iter(), *color, |_| staying, between);
            }
            Event::Pace(points) => self.pace(*points),
            Event::Rebase { hard, between } => self.rebase(*hard, between),
            Event::Age => {
                for word in self.buckets.iter().flatten() {
                    let entry = FlowEntry(word.load(Relaxed));
                    word.store(if entry.is_free() { entry } else { entry.older() }.0, Relaxed);
                }
            }
        }
    }

    fn now_backend(&self, at: u32, color: Color) -> u16 {
        Slot(self.slots[at as usize].load(Relaxed)).backend(color, Side::Now)
    }

    /// A color's backends that get new connections.
    fn now_backends(&self, color: Color) -> Vec<u16> {
        let mut backends: Vec<_> = (0..SLOTS).map(|at| self.now_backend(at, color)).collect();
        backends.sort_unstable();
        backends.dedup();
        backends
    }

    /// As the owner does it: tracking first, then slot by slot.
    fn move_slots(
        &mut self,
        slots: impl Iterator<Item = u32>,
        color: Color,
        to: impl Fn(u32) -> u16,
        between: &[Event],
    ) {
        self.word.store(self.now_word().track().0, Relaxed);
        let mut between = between.iter();
        for at in slots {
            let slot = Slot(self.slots[at as usize].load(Relaxed));
            self.slots[at as usize].store(slot.with(color, Side::Now, to(at)).0, Relaxed);
            between.next().into_iter().for_each(|event| self.run(event));
        }
    }

    /// Moves the base share, and lets go what is not remembered and served by the share that is passed.
    fn pace(&mut self, points: u16) {
        let word = self.now_word();
        let [now, base] = [Side::Now, Side::Base].map(|side| word.share(side).basis_points());
        if !word.tracking() || !(now.min(base)..=now.max(base)).contains(&points) {
            return;
        }
        let next = word.with_base(Share::new(points).unwrap());
        let passed: Vec<_> = self
            .connections
            .keys()
            .copied()
            .filter(|tuple| !self.remembered(*tuple))
            .filter(|tuple| self.plan(*tuple, word, Side::Base) != self.plan(*tuple, next, Side::Base))
            .collect();
        self.let_go(&passed);
        self.word.store(next.0, Relaxed);
    }

    /// As the owner does it: the word first, then the slots' base sides, which no packet reads any more, then
    /// what is left in the buckets.
    fn rebase(&mut self, hard: bool, between: &[Event]) {
        if hard {
            self.let_go(&self.at_risk_connections());
        }
        if !self.now_word().tracking() || !self.at_risk_connections().is_empty() {
            return;
        }
        let settled = self.now_word().rebase();
        self.word.store(settled.0, Relaxed);
        let mut between = between.iter();
        for at in 0..self.slots.len() {
            self.slots[at].store(Slot(self.slots[at].load(Relaxed)).rebased().0, Relaxed);
            between.next().into_iter().for_each(|event| self.run(event));
        }
        assert_eq!(self.at_risk_connections(), [], "at risk although the transition was over");
        for word in self.buckets.iter().flatten() {
            if FlowEntry(word.load(Relaxed)).epoch_bits() != settled.epoch() & 3 {
                word.store(FlowEntry::FREE.0, Relaxed);
            }
        }
    }
}
