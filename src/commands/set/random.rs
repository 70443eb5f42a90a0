//! Members of sets at random.

use super::super::prelude::*;
use super::{reply_member, reply_set};
use crate::types::set::Set;
use smallvec::SmallVec;

pub const SRANDMEMBER: Command = Command {
    name: "srandmember",
    summary: "Gets members of a set at random",
    group: Group::Set,
    arity: -2,
    flags: READONLY,
    categories: category::SET,
    keys: &[KeySpec::one(1, RO | ACCESS)],
    tips: &["nondeterministic_output"],
    args: "key:key#0 count:int?^2.6.0",
    handler: Handler::Data(srandmember),
    ..Command::DEFAULT
};

fn srandmember(ctx: &mut DataContext, args: &Args) -> CommandResult {
    let DataContext { keyspace, reply, config, .. } = ctx;
    let (mut rng, reply_limit) = (keyspace.rng.fork(), config.reply_limit());
    if args.len() == 2 {
        keyspace.read_collection(&args[1], |set: Option<&Set>| match set.and_then(|set| set.random(&mut rng)) {
            Some(member) => reply_member(reply, member),
            None => reply.null(),
        })?;
        return Ok(());
    }
    if args.len() > 3 {
        return Err(CommandError::SYNTAX);
    }
    let count = args.int_in(2, -i64::MAX..=i64::MAX)?;
    keyspace.read_collection(&args[1], |set: Option<&Set>| {
        let Some(set) = set else { return reply.array(0) };
        // A negative count allows repetitions.
        if count < 0 {
            reply.array(count.unsigned_abs() as usize);
            for _ in 0..count.unsigned_abs() {
                if reply.waiting() > reply_limit {
                    break;
                }
                reply_member(reply, set.random(&mut rng).expect("a set is never empty"));
            }
        } else {
            let picks = set.len().min(count as usize);
            reply.array(picks);
            set.sample(picks, &mut rng, |member| reply_member(reply, member));
        }
    })?;
    Ok(())
}

pub const SPOP: Command = Command {
    name: "spop",
    summary: "Removes members of a set at random and gets them",
    group: Group::Set,
    arity: -2,
    flags: WRITE | FAST,
    categories: category::SET,
    keys: &[KeySpec::one(1, RW | ACCESS | DELETE)],
    tips: &["nondeterministic_output"],
    args: "key:key#0 count:int?^3.2.0",
    handler: Handler::Data(spop),
    ..Command::DEFAULT
};

fn spop(ctx: &mut DataContext, args: &Args) -> CommandResult {
    match args.len() {
        2 => pop_one(ctx, &args[1]),
        3 => pop_many(ctx, &args[1], args.int_in(2, 0..=i64::MAX)? as usize),
        _ => Err(CommandError::SYNTAX),
    }
}

fn pop_one(ctx: &mut DataContext, key: &[u8]) -> CommandResult {
    let DataContext { keyspace, reply, .. } = ctx;
    let mut rng = keyspace.rng.fork();
    let Some(mut set) = keyspace.write_collection::<Set>(key)? else {
        reply.null();
        return Ok(());
    };
    let mut member: SmallVec<[u8; 64]> = SmallVec::new();
    set.pop(&mut rng, |text| member.extend_from_slice(text));
    let is_empty = set.is_empty();
    drop(set);
    reply.bulk(&member);
    keyspace.changed(EventClass::SET, "spop", key);
    keyspace.effects.propagate_instead(keyspace.selected(), &[b"SREM", key, &member]);
    if is_empty {
        keyspace.delete_emptied(key);
    }
    Ok(())
}

fn pop_many(ctx: &mut DataContext, key: &[u8], count: usize) -> CommandResult {
    /// Members that one SREM removes where it is repeated.
    const BATCH: usize = 1024;
    let DataContext { keyspace, reply, config, .. } = ctx;
    let mut rng = keyspace.rng.fork();
    let db = keyspace.selected();
    let Some(mut set) = keyspace.write_collection::<Set>(key)?.filter(|_| count > 0) else {
        reply.set(0);
        return Ok(());
    };
    let len = set.len();
    if count >= len {
        reply_set(reply, &set);
        drop(set);
        keyspace.changed(EventClass::SET, "spop", key);
        keyspace.effects.dirty += len as u64 - 1;
        keyspace.delete_emptied(key);
        let delete: &[u8] = if keyspace.options.lazy_server_del { b"UNLINK" } else { b"DEL" };
        keyspace.effects.propagate_instead(db, &[delete, key]);
        return Ok(());
    }
    let popped = set.pop_many(count, &mut rng, config.set_limits());
    drop(set);
    reply.set(count);
    popped.iter().for_each(|member| reply.bulk(member.text()));
    keyspace.changed(EventClass::SET, "spop", key);
    keyspace.effects.dirty += count as u64 - 1;
    let mut arguments: Vec<&[u8]> = Vec::with_capacity(2 + count.min(BATCH));
    for batch in popped.chunks(BATCH) {
        arguments.clear();
        arguments.extend([b"SREM", key]);
        arguments.extend(batch.iter().map(|member| member.text()));
        keyspace.effects.propagate_instead(db, &arguments);
    }
    Ok(())
}
