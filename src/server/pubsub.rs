//! Subscriptions, and delivering messages. A message is encoded once for each version of
//! the protocol, whatever the number of its receivers.

use super::{ClientFlags, ClientId, Server};
use crate::encoding::glob::glob_match;
use crate::keyspace::{Event, EventClass};
use crate::resp::reply::BY_REFERENCE_MIN;
use crate::resp::{Output, Reply};
use bytes::Bytes;
use indexmap::{IndexMap, IndexSet};

/// What can be subscribed to.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum SubscriptionKind {
    Channel,
    /// All channels that match.
    Pattern,
    /// COMPAT: without a cluster, channels in a space of their own.
    ShardChannel,
}

impl SubscriptionKind {
    pub const ALL: [SubscriptionKind; 3] =
        [SubscriptionKind::Channel, SubscriptionKind::Pattern, SubscriptionKind::ShardChannel];
}

/// The names of one kind, each with its subscribers in the order in which they subscribed, which is the
/// order in which they get messages. The order of the names means nothing.
pub type Subscribers = IndexMap<Bytes, IndexSet<ClientId>>;

/// All subscriptions, by kind.
#[derive(Default)]
pub struct PubSub([Subscribers; 3]);

impl PubSub {
    pub fn of(&self, kind: SubscriptionKind) -> &Subscribers {
        &self.0[kind as usize]
    }
}

/// What one client subscribed to, by kind.
#[derive(Default)]
pub struct Subscriptions([IndexSet<Bytes>; 3]);

impl Subscriptions {
    pub fn of(&self, kind: SubscriptionKind) -> &IndexSet<Bytes> {
        &self.0[kind as usize]
    }

    /// What replies to subscribing count: channels and patterns together.
    pub fn count(&self, kind: SubscriptionKind) -> usize {
        match kind {
            SubscriptionKind::ShardChannel => self.of(kind).len(),
            _ => self.of(SubscriptionKind::Channel).len() + self.of(SubscriptionKind::Pattern).len(),
        }
    }

    fn is_empty(&self) -> bool {
        self.0.iter().all(IndexSet::is_empty)
    }

    pub fn memory_usage(&self) -> usize {
        /// What a set takes for each of its elements besides it.
        const SLOT: usize = 16;
        self.0.iter().flatten().map(|name| size_of::<Bytes>() + SLOT + name.len()).sum()
    }
}

impl Server {
    pub fn subscribe(&mut self, id: ClientId, kind: SubscriptionKind, name: &[u8]) {
        let client = &mut self.clients[id];
        let subscriptions = client.subscriptions.get_or_insert_default();
        let own = &mut subscriptions.0[kind as usize];
        if own.contains(name) {
            return;
        }
        let all = &mut self.pubsub.0[kind as usize];
        let name = match all.get_key_value(name) {
            Some((name, _)) => name.clone(),
            None => Bytes::copy_from_slice(name),
        };
        own.insert(name.clone());
        all.entry(name).or_default().insert(id);
        client.flags |= ClientFlags::SUBSCRIBED;
    }

    /// Ends a subscription; false if there is none.
    pub fn unsubscribe(&mut self, id: ClientId, kind: SubscriptionKind, name: &[u8]) -> bool {
        let client = &mut self.clients[id];
        let Some(subscriptions) = &mut client.subscriptions else { return false };
        if !subscriptions.0[kind as usize].swap_remove(name) {
            return false;
        }
        if subscriptions.is_empty() {
            client.subscriptions = None;
            client.flags -= ClientFlags::SUBSCRIBED;
        }
        let all = &mut self.pubsub.0[kind as usize];
        if let Some(subscribers) = all.get_mut(name) {
            subscribers.shift_remove(&id);
            if subscribers.is_empty() {
                all.swap_remove(name);
            }
        }
        true
    }

    /// Ends all subscriptions of a client.
    pub fn unsubscribe_all(&mut self, id: ClientId) {
        for kind in SubscriptionKind::ALL {
            let Some(subscriptions) = self.clients.get(id).and_then(|client| client.subscriptions.as_ref()) else {
                return;
            };
            for name in subscriptions.of(kind).clone() {
                self.unsubscribe(id, kind, &name);
            }
        }
    }

    /// Delivers a message; gives the number of receivers.
    pub fn publish(&mut self, channel: &[u8], message: &[u8]) -> usize {
        let pubsub = std::mem::take(&mut self.pubsub);
        let mut receivers = 0;
        if let Some(subscribers) = pubsub.of(SubscriptionKind::Channel).get(channel) {
            receivers += self.deliver(subscribers, &[b"message", channel, message]);
        }
        for (pattern, subscribers) in pubsub.of(SubscriptionKind::Pattern) {
            if glob_match(pattern, channel, false) {
                receivers += self.deliver(subscribers, &[b"pmessage", pattern, channel, message]);
            }
        }
        self.pubsub = pubsub;
        receivers
    }

    /// As [`Self::publish`], to a shard channel.
    pub fn publish_to_shard(&mut self, channel: &[u8], message: &[u8]) -> usize {
        let pubsub = std::mem::take(&mut self.pubsub);
        let subscribers = pubsub.of(SubscriptionKind::ShardChannel).get(channel);
        let receivers =
            subscribers.map_or(0, |subscribers| self.deliver(subscribers, &[b"smessage", channel, message]));
        self.pubsub = pubsub;
        receivers
    }

    fn deliver(&mut self, subscribers: &IndexSet<ClientId>, parts: &[&[u8]]) -> usize {
        let mut encoded: [Option<Bytes>; 2] = [None, None];
        for &id in subscribers {
            let Some(client) = self.clients.get(id).filter(|client| !client.is_closing()) else { continue };
            let resp3 = client.resp3;
            let bytes = encoded[resp3 as usize].get_or_insert_with(|| encode(parts, resp3));
            self.push(id, bytes);
        }
        subscribers.len()
    }

    /// Sends a message to a client. What a client's own command brings it follows the reply.
    pub fn push(&mut self, id: ClientId, message: &Bytes) {
        if self.execution.client == Some(id) {
            self.clients[id].after_reply.push(message.clone());
            return;
        }
        self.will_write(id);
        let output = &mut self.clients[id].output;
        if message.len() < BY_REFERENCE_MIN {
            output.bytes.extend_from_slice(message);
        } else {
            output.push_large(message.clone());
        }
        self.check_output_limit(id);
    }

    /// Sends what the command, or the transaction, that ran brought its own client.
    pub fn push_after_reply(&mut self) {
        let Some(id) = self.execution.client.filter(|_| !self.execution.is_atomic()) else { return };
        let Some(client) = self.clients.get_mut(id).filter(|client| !client.after_reply.is_empty()) else { return };
        let messages = std::mem::take(&mut client.after_reply);
        self.execution.client = None;
        messages.iter().for_each(|message| self.push(id, message));
        self.execution.client = Some(id);
    }

    /// Publishes keyspace events to the channels that `notify-keyspace-events` says.
    pub fn publish_events(&mut self) {
        let wanted = self.config.notify_keyspace_events;
        let mut events = std::mem::take(&mut self.keyspace.effects.events);
        for Event { name, db, key, .. } in events.drain(..) {
            if wanted.contains(EventClass::KEYSPACE) {
                self.publish(&[format!("__keyspace@{db}__:").as_bytes(), &key].concat(), name.as_bytes());
            }
            if wanted.contains(EventClass::KEYEVENT) {
                self.publish(format!("__keyevent@{db}__:{name}").as_bytes(), &key);
            }
        }
        // Nothing that publishing does makes events.
        self.keyspace.effects.events = events;
    }

    /// Tells the keyspace which events to record: those that are configured and could have a subscriber.
    pub fn apply_wanted_events(&mut self) {
        let wanted = self.config.notify_keyspace_events;
        let heard = wanted.intersects(EventClass::KEYSPACE | EventClass::KEYEVENT);
        self.keyspace.effects.wanted_events = if heard { wanted } else { EventClass::empty() };
    }
}

fn encode(parts: &[&[u8]], resp3: bool) -> Bytes {
    let mut output = Output::default();
    let mut reply = Reply::new(&mut output, resp3);
    reply.push(parts.len());
    parts.iter().for_each(|part| reply.bulk(part));
    output.bytes.into()
}
