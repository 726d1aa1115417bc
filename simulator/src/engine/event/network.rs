//! The network of the event engine: machines, directed links and connections, with what TCP makes of faults.
//!
//! A cut link loses what is in the air; it is sent again after doubling waits, so that a healed cut delivers late, as real
//! networks do. A killed process takes leave (FIN, or RST where it left bytes unread); a machine without power says nothing, and
//! once it is back answers old connections with RST.

use std::{
    collections::BTreeMap,
    io,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use tokio::{sync::mpsc, time::Instant};

use super::{
    connection::{End, Payload},
    stream::EventStream,
};
use crate::{
    engine::{LATENCY_MS, RETRANSMIT, Weather, retransmission},
    world::{self, Crossing, Draw, Hop, World},
};

/// Connections that wait to be accepted; the SYN of one more is lost.
const BACKLOG_MAX: usize = 1_024;
/// Times that one segment is lost in a row to bad weather.
const LOSSES_MAX: u32 = 6;

/// A new connection as its listener gets it.
pub(super) type Accepted = (EventStream, SocketAddr);

/// The network. Cloning shares it.
#[derive(Clone)]
pub(super) struct Network(Arc<Mutex<State>>);

pub(super) struct State {
    world: World,
    pub(super) names: Vec<Arc<str>>,
    ids: BTreeMap<String, usize>,
    /// Whether each machine has power.
    power: Vec<bool>,
    links: BTreeMap<(usize, usize), Link>,
    listeners: BTreeMap<(usize, u16), mpsc::Sender<Accepted>>,
    connections: Vec<Option<Box<[End; 2]>>>,
    pub(super) short: Draw,
}

struct Link {
    cuts: u32,
    weather: Weather,
    busy_until: Option<Instant>,
    draw: Draw,
    /// Sent over it.
    segments: u64,
}

/// What came of a SYN.
pub(super) enum Syn {
    /// Nobody answers.
    Lost,
    /// The machine is there and nobody listens; known after this time.
    Refused(Duration),
    /// Connected; the client knows after this time.
    Connected(EventStream, Duration),
}

impl Network {
    pub(super) fn new(world: &World) -> Self {
        Self(Arc::new(Mutex::new(State {
            world: world.clone(),
            names: Vec::new(),
            ids: BTreeMap::new(),
            power: Vec::new(),
            links: BTreeMap::new(),
            listeners: BTreeMap::new(),
            connections: Vec::new(),
            short: Draw::new(world.seed, &[b"short reads"]),
        })))
    }

    pub(super) fn lock(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The machine of this name has power from now on; what it was connected to before is answered with a reset.
    pub(super) fn power_on(&self, name: &str) -> usize {
        let mut state = self.lock();
        let host = state.id(name);
        if !std::mem::replace(&mut state.power[host], true) {
            state.mend(|_, to| to == host);
        }
        host
    }

    pub(super) fn listen(&self, host: usize, port: u16) -> io::Result<mpsc::Receiver<Accepted>> {
        let mut state = self.lock();
        if state.listeners.get(&(host, port)).is_some_and(|listener| !listener.is_closed()) {
            return Err(io::ErrorKind::AddrInUse.into());
        }
        let (sender, receiver) = mpsc::channel(BACKLOG_MAX);
        state.listeners.insert((host, port), sender);
        Ok(receiver)
    }

    /// Sends a SYN; `there` is the time that it takes, which the caller has waited.
    pub(super) fn syn(&self, from: usize, to: usize, port: u16) -> Syn {
        let mut state = self.lock();
        if !state.reaches(from, to) || !state.reaches(to, from) {
            return Syn::Lost;
        }
        let now = Instant::now();
        let Some(back) = state.arrival(to, from, 0, now).map(|at| at - now) else { return Syn::Lost };
        let listener = state.listeners.get(&(to, port)).filter(|l| !l.is_closed()).cloned();
        let Some(listener) = listener.filter(|_| !state.link((from, to)).weather.refused) else {
            return Syn::Refused(back);
        };
        let Ok(place) = listener.try_reserve() else { return Syn::Lost };
        let number = state.connections.len();
        state.connections.push(Some(Box::new([End::new(from), End::new(to)])));
        let address = SocketAddr::from(([10, 0, (from >> 8) as u8, from as u8], 49_152 + (number % 16_000) as u16));
        let (name, peer) = (state.names[from].clone(), state.names[to].clone());
        state.world.trace.record(Crossing::Connect, &name, &peer, &[]);
        place.send((EventStream::new(self, number, 1), address));
        Syn::Connected(EventStream::new(self, number, 0), back)
    }

    /// Time that a SYN takes; `None` where it is lost.
    pub(super) fn reach(&self, from: usize, name: &str) -> (usize, Option<Duration>) {
        let mut state = self.lock();
        let to = state.id(name);
        if !state.reaches(from, to) || !state.reaches(to, from) {
            return (to, None);
        }
        let now = Instant::now();
        (to, state.arrival(from, to, 0, now).map(|at| at - now))
    }

    pub(super) fn cut(&self, from: &str, to: &str) {
        let mut state = self.lock();
        let pair = (state.id(from), state.id(to));
        state.link(pair).cuts += 1;
        let now = Instant::now();
        state.each_receiver(pair, |_, end| end.lose(now));
    }

    pub(super) fn join(&self, from: &str, to: &str) {
        let mut state = self.lock();
        let pair = (state.id(from), state.id(to));
        let link = state.link(pair);
        link.cuts = link.cuts.saturating_sub(1);
        if link.cuts == 0 {
            state.mend(|from, to| (from, to) == pair);
        }
    }

    pub(super) fn weather(&self, from: &str, to: &str, weather: Weather) {
        let mut state = self.lock();
        let pair = (state.id(from), state.id(to));
        let link = state.link(pair);
        link.weather = weather;
        link.busy_until = None;
    }

    pub(super) fn reset(&self, a: &str, b: &str) {
        let mut state = self.lock();
        let (a, b) = (state.id(a), state.id(b));
        let now = Instant::now();
        for pair in [(a, b), (b, a)] {
            state.each_receiver(pair, |_, end| end.reset_by(now));
        }
    }

    /// The process is gone; the kernel takes leave for it.
    pub(super) fn exit(&self, name: &str) {
        let mut state = self.lock();
        let host = state.id(name);
        state.listeners.retain(|(at, _), _| *at != host);
        for number in 0..state.connections.len() {
            for side in 0..2 {
                if state.end(number, side).is_some_and(|end| end.host == host) {
                    state.close(number, side);
                }
            }
        }
    }

    /// The machine is gone, without a word.
    pub(super) fn power_off(&self, name: &str) {
        let mut state = self.lock();
        let host = state.id(name);
        state.power[host] = false;
        state.listeners.retain(|(at, _), _| *at != host);
        let now = Instant::now();
        for connection in state.connections.iter_mut().flatten() {
            for side in 0..2 {
                if connection[side].host == host {
                    connection[side].open = false;
                    connection[side].forgotten = true;
                    connection[side].lose(now);
                    connection[1 - side].forget_lost();
                }
            }
        }
        state.sweep();
    }

    /// Segments by sender and receiver.
    pub(super) fn traffic(&self) -> Vec<(String, String, u64)> {
        let state = self.lock();
        let name = |host: usize| state.names[host].to_string();
        state.links.iter().map(|((from, to), link)| (name(*from), name(*to), link.segments)).collect()
    }

    /// The simulation ends: nobody sends anything more.
    pub(super) fn close_all(&self) {
        let mut state = self.lock();
        state.listeners.clear();
        state.connections.clear();
    }
}

impl State {
    fn id(&mut self, name: &str) -> usize {
        if let Some(id) = self.ids.get(name) {
            return *id;
        }
        let id = self.names.len();
        self.names.push(name.into());
        self.power.push(false);
        self.ids.insert(name.to_owned(), id);
        id
    }

    fn link(&mut self, (from, to): (usize, usize)) -> &mut Link {
        let (seed, names) = (self.world.seed, &self.names);
        self.links.entry((from, to)).or_insert_with(|| Link {
            cuts: 0,
            weather: Weather::default(),
            busy_until: None,
            draw: Draw::new(seed, &[b"link", names[from].as_bytes(), names[to].as_bytes()]),
            segments: 0,
        })
    }

    fn reaches(&self, from: usize, to: usize) -> bool {
        self.power[to] && self.links.get(&(from, to)).is_none_or(|link| link.cuts == 0)
    }

    /// When what is sent now arrives; `None` where it is lost until the link is mended.
    fn arrival(&mut self, from: usize, to: usize, bytes: usize, now: Instant) -> Option<Instant> {
        if !self.reaches(from, to) {
            return None;
        }
        let link = self.link((from, to));
        link.segments += 1;
        let weather = link.weather;
        let mut leaves = now;
        let mut wait = RETRANSMIT;
        for _ in 0..LOSSES_MAX {
            if weather.lost_per_thousand == 0 || !link.draw.chance(weather.lost_per_thousand) {
                break;
            }
            leaves += wait;
            wait *= 2;
        }
        if let Some(micros) = (bytes as u64 * 1_000_000).checked_div(weather.bytes_per_second) {
            leaves = leaves.max(link.busy_until.unwrap_or(leaves)) + Duration::from_micros(micros);
            link.busy_until = Some(leaves);
        }
        let latency_ms = if from == to { 0 } else { link.draw.between(LATENCY_MS) + weather.extra_ms };
        Some(leaves + Duration::from_millis(latency_ms))
    }

    fn end(&self, number: usize, side: usize) -> Option<&End> {
        self.connections.get(number)?.as_ref().map(|connection| &connection[side])
    }

    pub(super) fn end_mut(&mut self, number: usize, side: usize) -> Option<&mut End> {
        self.connections.get_mut(number)?.as_mut().map(|connection| &mut connection[side])
    }

    /// Does this with each end that receives over a link.
    fn each_receiver(&mut self, (from, to): (usize, usize), mut act: impl FnMut(usize, &mut End)) {
        for (number, connection) in self.connections.iter_mut().enumerate() {
            let Some(connection) = connection else { continue };
            for side in 0..2 {
                if connection[side].host == to && connection[1 - side].host == from {
                    act(number, &mut connection[side]);
                }
            }
        }
    }

    /// What was lost on these links is sent again; who is not there any more answers with a reset.
    fn mend(&mut self, mended: impl Fn(usize, usize) -> bool) {
        let now = Instant::now();
        for number in 0..self.connections.len() {
            for side in 0..2 {
                let Some((from, to)) =
                    self.end(number, 1 - side).zip(self.end(number, side)).map(|(f, t)| (f.host, t.host))
                else {
                    continue;
                };
                let Some(since) = self.end(number, side).and_then(End::lost_since) else { continue };
                if !mended(from, to) || !self.reaches(from, to) {
                    continue;
                }
                let again = since + retransmission(Duration::ZERO, now - since);
                let Some(arrives) = self.arrival(from, to, 0, again) else { continue };
                let gone = self.end(number, side).is_none_or(|end| end.forgotten || !end.open);
                if let Some(end) = self.end_mut(number, side) {
                    end.deliver_lost(arrives);
                }
                if gone {
                    self.answer_with_reset(number, side, arrives);
                }
            }
        }
    }

    /// A segment arrives where nobody knows the connection any more.
    fn answer_with_reset(&mut self, number: usize, side: usize, arrives: Instant) {
        let Some((from, to)) = self.end(number, side).zip(self.end(number, 1 - side)).map(|(f, t)| (f.host, t.host))
        else {
            return;
        };
        if let Some(at) = self.arrival(from, to, 0, arrives)
            && let Some(end) = self.end_mut(number, 1 - side)
        {
            end.reset_by(at);
        }
    }

    /// Sends from one side of a connection.
    pub(super) fn send(&mut self, number: usize, side: usize, payload: Payload) {
        let now = Instant::now();
        let Some((from, to)) = self.end(number, side).zip(self.end(number, 1 - side)).map(|(f, t)| (f.host, t.host))
        else {
            return;
        };
        let bytes = match &payload {
            Payload::Bytes(bytes, _) => bytes.as_slice(),
            Payload::Fin => &[],
        };
        let (name, peer) = (self.names[from].clone(), self.names[to].clone());
        self.world.trace.record(Crossing::Write, &name, &peer, bytes);
        let (length, messages) = (bytes.len(), self.world.ways.messages(bytes));
        let arrives = self.arrival(from, to, length, now);
        for message in messages {
            self.note_hop(message, (&name, &peer), now, arrives);
        }
        let Some(end) = self.end_mut(number, 1 - side) else { return };
        let gone = end.forgotten || !end.open;
        end.push(payload, now, arrives);
        if let Some(arrives) = arrives.filter(|_| gone) {
            self.answer_with_reset(number, 1 - side, arrives);
        }
    }

    fn note_hop(&self, message: String, (from, to): (&str, &str), now: Instant, arrives: Option<Instant>) {
        let sent = world::elapsed();
        let arrives_ms = arrives.map(|at| (sent + (at - now)).as_millis() as u64);
        let (from, to) = (from.to_owned(), to.to_owned());
        self.world.ways.note(Hop { message, from, to, sent_ms: sent.as_millis() as u64, arrives_ms });
    }

    /// One side is closed, by its process or for it.
    pub(super) fn close(&mut self, number: usize, side: usize) {
        let now = Instant::now();
        let Some(end) = self.end_mut(number, side).filter(|end| end.open) else { return };
        end.open = false;
        let (unread, finished) = (end.has_unread(now), std::mem::replace(&mut end.finished, true));
        if unread {
            self.answer_with_reset(number, side, now);
        } else if !finished {
            self.send(number, side, Payload::Fin);
        }
        if let Some(connection) = self.connections[number].as_ref()
            && connection.iter().all(|end| !end.open)
        {
            self.connections[number] = None;
        }
    }

    fn sweep(&mut self) {
        for slot in &mut self.connections {
            if slot.as_ref().is_some_and(|connection| connection.iter().all(|end| !end.open)) {
                *slot = None;
            }
        }
    }

    /// Notes what a host read.
    pub(super) fn note_read(&self, number: usize, side: usize, bytes: usize) {
        if let Some((reader, writer)) = self.end(number, side).zip(self.end(number, 1 - side)) {
            let (name, peer) = (&self.names[reader.host], &self.names[writer.host]);
            self.world.trace.record(Crossing::Read, name, peer, &bytes.to_le_bytes());
        }
    }
}
