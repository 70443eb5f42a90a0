//! HyperLogLogs: strings that estimate how many different elements were added to them.

use super::prelude::*;
use crate::encoding::hyperloglog::{Corrupt, HyperLogLog, REGISTERS, Run, estimate_of, register_of};
use crate::keyspace::{Keyspace, NewExpiry};
use crate::types::string::NewString;

pub const COMMANDS: &[&Command] = &[&PFADD, &PFCOUNT, &PFMERGE, &PFDEBUG, &PFSELFTEST];

pub const PFADD: Command = Command {
    name: "pfadd",
    summary: "Adds elements to a HyperLogLog",
    since: "2.8.9",
    group: Group::HyperLogLog,
    arity: -2,
    flags: WRITE | DENYOOM | FAST,
    categories: category::HYPERLOGLOG,
    keys: &[KeySpec::one(1, RW | INSERT)],
    args: "key:key#0 element?+",
    handler: Handler::Data(pfadd),
    ..Command::DEFAULT
};

fn pfadd(ctx: &mut DataContext, args: &Args) -> CommandResult {
    let keyspace = &mut *ctx.keyspace;
    let key = &args[1];
    let elements = args.from(2);
    let mut registers = elements.iter().map(register_of);
    let mut updates = 0;
    let mut sparse = None;
    match keyspace.write_string(key)? {
        None => {
            updates = 1;
            sparse = Some(HyperLogLog::empty());
        }
        Some(mut string) => {
            let mut digits = itoa::Buffer::new();
            let bytes = string.get().bytes(&mut digits);
            if valid(bytes)?.is_dense() {
                let mut dense = valid(string.bytes_mut(0))?;
                registers.by_ref().for_each(|register| updates += dense.raise_dense(register) as u64);
                if updates > 0 {
                    dense.forget_estimate();
                }
            } else {
                sparse = Some(valid(bytes.to_vec())?);
            }
        }
    }
    if let Some(mut sparse) = sparse {
        for register in registers {
            updates += sparse.raise(register, ctx.config.hll_sparse_max_bytes)? as u64;
        }
        if updates > 0 {
            sparse.forget_estimate();
            store(keyspace, key, sparse);
        }
    }
    if updates > 0 {
        keyspace.changed(EventClass::STRING, "pfadd", key);
        keyspace.effects.dirty += updates - 1;
    }
    ctx.reply.integer((updates > 0) as i64);
    Ok(())
}

fn valid<B: AsRef<[u8]>>(bytes: B) -> Result<HyperLogLog<B>, CommandError> {
    const NOT_VALID: CommandError = CommandError::new("WRONGTYPE Key is not a valid HyperLogLog string value.");
    HyperLogLog::new(bytes).ok_or(NOT_VALID)
}

impl From<Corrupt> for CommandError {
    fn from(_: Corrupt) -> CommandError {
        CommandError::new("INVALIDOBJ Corrupted HLL object detected")
    }
}

fn store(keyspace: &mut Keyspace, key: &[u8], value: HyperLogLog<Vec<u8>>) {
    keyspace.set_string(key, NewString::raw(&value.into_bytes().into()), NewExpiry::Keep);
}

pub const PFCOUNT: Command = Command {
    name: "pfcount",
    summary: "Estimates how many different elements were added",
    since: "2.8.9",
    group: Group::HyperLogLog,
    arity: -2,
    flags: READONLY | MAY_REPLICATE,
    categories: category::HYPERLOGLOG,
    keys: &[KeySpec::range(1, -1, 1, RW | ACCESS)
        .notes("RW because it may change the internal representation of the key, and propagate to replicas")],
    args: "key:key#0+",
    handler: Handler::Data(pfcount),
    ..Command::DEFAULT
};

fn pfcount(ctx: &mut DataContext, args: &Args) -> CommandResult {
    let keyspace = &mut *ctx.keyspace;
    if args.len() > 2 {
        let mut registers = [0; REGISTERS];
        for key in args.from(1).iter() {
            read(keyspace, key, |hll| hll.merge_into(&mut registers))?;
        }
        ctx.reply.integer(estimate_of(&registers) as i64);
        return Ok(());
    }
    let key = &args[1];
    let read = read(keyspace, key, |hll| match hll.cached_estimate() {
        Some(cached) => Ok((cached, true)),
        None => Ok((hll.estimate()?, false)),
    })?;
    let (estimate, is_cached) = read.unwrap_or((0, true));
    if !is_cached {
        let mut string = keyspace.write_string(key)?.expect("just read");
        valid(string.bytes_mut(0))?.cache_estimate(estimate);
        drop(string);
        // The string changed (its cached estimate): replicas and watching clients must know, but there is no event.
        keyspace.effects.dirty += 1;
        keyspace.signal_modified(key);
    }
    ctx.reply.integer(estimate as i64);
    Ok(())
}

/// Looks at the HyperLogLog at `key`, if there is one.
fn read<R>(
    keyspace: &mut Keyspace,
    key: &[u8],
    look: impl FnOnce(HyperLogLog<&[u8]>) -> Result<R, Corrupt>,
) -> Result<Option<R>, CommandError> {
    keyspace.read_string(key, |string| {
        let Some(string) = string else { return Ok(None) };
        let mut digits = itoa::Buffer::new();
        Ok(Some(look(valid(string.bytes(&mut digits))?)?))
    })?
}

pub const PFMERGE: Command = Command {
    name: "pfmerge",
    summary: "Merges HyperLogLogs into one",
    since: "2.8.9",
    group: Group::HyperLogLog,
    arity: -2,
    flags: WRITE | DENYOOM,
    categories: category::HYPERLOGLOG,
    keys: &[KeySpec::one(1, RW | ACCESS | INSERT), KeySpec::range(2, -1, 1, RO | ACCESS)],
    args: "destkey:key#0 sourcekey:key#1?+",
    handler: Handler::Data(pfmerge),
    ..Command::DEFAULT
};

fn pfmerge(ctx: &mut DataContext, args: &Args) -> CommandResult {
    let keyspace = &mut *ctx.keyspace;
    let key = &args[1];
    let mut registers = [0; REGISTERS];
    let mut is_dense = false;
    // The destination is a source, too.
    for source in args.from(1).iter() {
        read(keyspace, source, |hll| {
            is_dense |= hll.is_dense();
            hll.merge_into(&mut registers)
        })?;
    }
    let before = keyspace.write_string(key)?;
    let before = before.map(|string| string.get().bytes(&mut itoa::Buffer::new()).to_vec());
    let mut merged = before.map_or(Ok(HyperLogLog::empty()), valid)?;
    if is_dense {
        merged.set_dense(&registers);
    } else {
        let raised = registers.iter().copied().enumerate().filter(|&(_, rank)| rank > 0);
        for register in raised {
            merged.raise(register, ctx.config.hll_sparse_max_bytes)?;
        }
    }
    merged.forget_estimate();
    store(keyspace, key, merged);
    keyspace.changed(EventClass::STRING, "pfadd", key);
    ctx.reply.ok();
    Ok(())
}

pub const PFDEBUG: Command = Command {
    name: "pfdebug",
    summary: "Shows how a HyperLogLog is kept",
    since: "2.8.9",
    group: Group::HyperLogLog,
    arity: 3,
    flags: WRITE | DENYOOM | ADMIN,
    categories: category::HYPERLOGLOG,
    keys: &[KeySpec::one(2, RW | ACCESS)],
    args: "subcommand key:key#0",
    handler: Handler::Data(pfdebug),
    system: true,
    ..Command::DEFAULT
};

fn pfdebug(ctx: &mut DataContext, args: &Args) -> CommandResult {
    let DataContext { keyspace, reply, .. } = ctx;
    let key = &args[2];
    let string = keyspace.write_string(key)?.ok_or(CommandError::new("ERR The specified key does not exist"))?;
    let hll = valid(string.get().bytes(&mut itoa::Buffer::new()).to_vec())?;
    drop(string);
    let was_dense = hll.is_dense();
    match args[1].to_ascii_lowercase().as_slice() {
        b"encoding" => reply.simple(if was_dense { "dense" } else { "sparse" }),
        b"decode" if was_dense => return Err(CommandError::new("ERR HLL encoding is not sparse")),
        b"decode" => {
            let mut runs = Vec::new();
            // A corrupt HyperLogLog is shown as far as it can be read.
            let _ = hll.for_each_run(|run| {
                runs.push(match run {
                    Run::Zero { len } => format!("z:{len}"),
                    Run::XZero { len } => format!("Z:{len}"),
                    Run::Val { value, len } => format!("v:{value},{len}"),
                })
            });
            reply.bulk(runs.join(" ").as_bytes());
        }
        b"getreg" => {
            let mut registers = [0; REGISTERS];
            hll.merge_into(&mut registers)?;
            reply.array(REGISTERS);
            registers.iter().for_each(|&register| reply.integer(register.into()));
            make_dense(keyspace, key, hll)?;
        }
        b"todense" => {
            make_dense(keyspace, key, hll)?;
            reply.integer(!was_dense as i64);
        }
        _ => {
            let name = args.text(1);
            return Err(CommandError::err(format_args!("Unknown PFDEBUG subcommand '{name}'")));
        }
    }
    Ok(())
}

fn make_dense(keyspace: &mut Keyspace, key: &[u8], mut hll: HyperLogLog<Vec<u8>>) -> CommandResult {
    if !hll.is_dense() {
        hll.make_dense()?;
        store(keyspace, key, hll);
        keyspace.effects.dirty += 1;
    }
    Ok(())
}

pub const PFSELFTEST: Command = Command {
    name: "pfselftest",
    summary: "Tests the HyperLogLogs",
    since: "2.8.9",
    group: Group::HyperLogLog,
    flags: ADMIN,
    categories: category::HYPERLOGLOG,
    handler: Handler::Data(pfselftest),
    system: true,
    ..Command::DEFAULT
};

fn pfselftest(ctx: &mut DataContext, _: &Args) -> CommandResult {
    const ELEMENTS: u64 = 1_000_000;
    /// So many standard errors of an estimate are as good as never exceeded.
    const ERRORS_MAX: f64 = 6.0;
    let failed = |what: std::fmt::Arguments| Err(CommandError::coded(format!("TESTFAILED {what}")));
    let seed = ctx.keyspace.rng.u64(..);
    let (mut dense, mut sparse) = (HyperLogLog::empty(), HyperLogLog::empty());
    dense.make_dense()?;
    let mut highest = [0; REGISTERS];
    let mut checkpoint = 1;
    for n in 1..=ELEMENTS {
        let (index, rank) = register_of(&(n ^ seed).to_le_bytes());
        highest[index] = rank.max(highest[index]);
        dense.raise_dense((index, rank));
        sparse.raise((index, rank), ctx.config.hll_sparse_max_bytes)?;
        if n != checkpoint {
            continue;
        }
        checkpoint *= 10;
        for hll in [&dense, &sparse] {
            let mut registers = [0; REGISTERS];
            hll.merge_into(&mut registers)?;
            if let Some(i) = (0..REGISTERS).find(|&i| registers[i] != highest[i]) {
                return failed(format_args!("Register {i} should be {} but is {}", highest[i], registers[i]));
            }
        }
        let estimate = sparse.estimate()?;
        if dense.estimate()? != estimate {
            return failed(format_args!("dense/sparse disagree"));
        }
        let error = estimate.abs_diff(n);
        let error_max = (ERRORS_MAX * 1.04 / (REGISTERS as f64).sqrt() * n as f64).ceil();
        if error as f64 > error_max {
            return failed(format_args!("Too big error. card:{n} abserr:{error}"));
        }
    }
    ctx.reply.ok();
    Ok(())
}
