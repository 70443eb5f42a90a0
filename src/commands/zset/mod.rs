//! Sorted sets.
//!
//! * `update`  adding, changing and removing members
//! * `lookup`  single members, counts, random members, ZSCAN
//! * `range`   ranges by rank, score and member: replied, stored, counted and removed
//! * `combine` unions, intersections and differences
//! * `pop`     the lowest and highest members, waiting for them if need be

mod combine;
mod lookup;
mod pop;
mod range;
pub mod update;

use super::prelude::*;
use crate::keyspace::Keyspace;
use crate::types::zset::ZSet;

pub const COMMANDS: &[&Command] = &[
    &update::ZADD,
    &update::ZINCRBY,
    &update::ZREM,
    &lookup::ZCARD,
    &lookup::ZSCORE,
    &lookup::ZMSCORE,
    &lookup::ZRANK,
    &lookup::ZREVRANK,
    &lookup::ZRANDMEMBER,
    &lookup::ZSCAN,
    &range::ZRANGE,
    &range::ZRANGESTORE,
    &range::ZREVRANGE,
    &range::ZRANGEBYSCORE,
    &range::ZREVRANGEBYSCORE,
    &range::ZRANGEBYLEX,
    &range::ZREVRANGEBYLEX,
    &range::ZCOUNT,
    &range::ZLEXCOUNT,
    &range::ZREMRANGEBYRANK,
    &range::ZREMRANGEBYSCORE,
    &range::ZREMRANGEBYLEX,
    &combine::ZUNION,
    &combine::ZUNIONSTORE,
    &combine::ZINTER,
    &combine::ZINTERSTORE,
    &combine::ZDIFF,
    &combine::ZDIFFSTORE,
    &combine::ZINTERCARD,
    &pop::ZPOPMIN,
    &pop::ZPOPMAX,
    &pop::ZMPOP,
    &pop::BZPOPMIN,
    &pop::BZPOPMAX,
    &pop::BZMPOP,
];

/// Replies an array of members, with or without their scores. In RESP3 a member and its score are an
/// array of their own.
struct MembersReply<'r, 'a> {
    reply: &'r mut Reply<'a>,
    with_scores: bool,
}

impl<'r, 'a> MembersReply<'r, 'a> {
    /// `len` members are to follow.
    fn new(reply: &'r mut Reply<'a>, len: usize, with_scores: bool) -> Self {
        reply.array(if with_scores && !reply.is_resp3() { 2 * len } else { len });
        MembersReply { reply, with_scores }
    }

    fn waiting(&self) -> usize {
        self.reply.waiting()
    }

    #[inline]
    fn member(&mut self, member: &[u8], score: f64) {
        if self.with_scores && self.reply.is_resp3() {
            self.reply.array(2);
        }
        self.reply.bulk(member);
        if self.with_scores {
            self.reply.double(score);
        }
    }
}

/// Lets `remove` remove members, of which it gives the number; reports this as `event`, and deletes
/// the key if none are left.
fn remove_members(
    keyspace: &mut Keyspace,
    key: &[u8],
    event: &'static str,
    remove: impl FnOnce(&mut ZSet) -> usize,
) -> Result<usize, CommandError> {
    let (removed, is_empty) = match keyspace.write_collection::<ZSet>(key)? {
        None => (0, false),
        Some(mut zset) => (remove(&mut zset), zset.is_empty()),
    };
    if removed > 0 {
        keyspace.changed(EventClass::ZSET, event, key);
        keyspace.effects.dirty += removed as u64 - 1;
    }
    if is_empty {
        keyspace.delete_emptied(key);
    }
    Ok(removed)
}

/// Stores the outcome of a command at `key`, or deletes that if it is empty; replies its length.
pub fn store(ctx: &mut DataContext, key: &[u8], zset: ZSet, event: &'static str) {
    let len = zset.len();
    if len > 0 {
        ctx.keyspace.set_collection(key, zset);
        ctx.keyspace.changed(EventClass::ZSET, event, key);
    } else if ctx.keyspace.delete_implicitly(key) {
        ctx.keyspace.changed(EventClass::GENERIC, "del", key);
    }
    ctx.reply.integer(len as i64);
}
