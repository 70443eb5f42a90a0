//! What real applications do with the server: the `redis` crate's asynchronous clients, the Python
//! worker queues RQ and Celery, and the Node queue BullMQ.
//!
//! The scripts are in tests/applications; what they need is installed once into target/tmp. Where there
//! is no Python, no Node or no network, a test says that it is skipped.

#[path = "wire/harness.rs"]
mod harness;

use futures_util::StreamExt;
use harness::*;
use redis::aio::{ConnectionManager, ConnectionManagerConfig, MultiplexedConnection};
use redis::streams::{StreamMaxlen, StreamReadOptions, StreamReadReply};
use redis::{AsyncCommands, AsyncConnectionConfig, Client, FromRedisValue, PushInfo, PushKind, RedisResult, Script};
use std::collections::HashMap;
use std::future::Future;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::OnceLock;
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};
use tokio::task::JoinSet;
use tokio::time::timeout;

// ---- the redis crate

fn run(test: impl Future<Output = RedisResult<()>>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async { timeout(DEADLINE, test).await.expect("it ends in time") }).unwrap();
}

fn client(server: &Server, protocol: &str) -> Client {
    Client::open(format!("redis+unix://{}?protocol={protocol}", server.socket().display())).unwrap()
}

#[test]
fn many_tasks_share_a_connection() {
    let server = Server::start(&[]);
    for protocol in ["resp2", "resp3"] {
        run(async {
            let connection = client(&server, protocol).get_multiplexed_async_connection().await?;
            let mut tasks = JoinSet::new();
            for task in 0..100 {
                let mut connection = connection.clone();
                tasks.spawn(async move { work_of_a_task(&mut connection, task).await });
            }
            while let Some(result) = tasks.join_next().await {
                result.unwrap()?;
            }
            let mut connection = connection;
            assert_eq!(connection.get::<_, usize>("sum").await?, (0..100).sum::<usize>());
            let () = redis::cmd("FLUSHALL").query_async(&mut connection).await?;
            Ok(())
        });
    }
}

/// What each of the tasks does, with others' requests between its own.
async fn work_of_a_task(connection: &mut MultiplexedConnection, task: usize) -> RedisResult<()> {
    let key = |kind: &str| format!("{kind}:{task}");
    let () = connection.set(key("string"), task).await?;
    let () = connection.hset_multiple(key("hash"), &[("a", task), ("b", 2 * task)]).await?;
    let sum = format!("sum of task {task}");
    let (got, ranks): (usize, Vec<(String, f64)>) = redis::pipe()
        .atomic()
        .get(key("string"))
        .incr("sum", task)
        .ignore()
        .zadd(key("zset"), &sum, task as f64 + 0.5)
        .ignore()
        .zrange_withscores(key("zset"), 0, -1)
        .query_async(connection)
        .await?;
    assert_eq!((got, ranks), (task, vec![(sum, task as f64 + 0.5)]));
    let values: Vec<Option<usize>> =
        redis::pipe().get(key("string")).get(key("missing")).hget(key("hash"), "b").query_async(connection).await?;
    assert_eq!(values, [Some(task), None, Some(2 * task)]);
    let script = Script::new("return {KEYS[1], ARGV[1] * 2, redis.call('HGET', KEYS[1], 'a')}");
    let (name, twice, field): (String, usize, usize) =
        script.key(key("hash")).arg(task).invoke_async(connection).await?;
    assert_eq!((name, twice, field), (key("hash"), 2 * task, task));
    Ok(())
}

#[test]
fn messages_by_either_protocol() {
    let server = Server::start(&[]);
    run(async {
        let mut publisher = client(&server, "resp2").get_multiplexed_async_connection().await?;
        let mut subscriber = client(&server, "resp2").get_async_pubsub().await?;
        subscriber.subscribe("news").await?;
        subscriber.psubscribe("n*").await?;
        let (sender, mut pushes) = unbounded_channel();
        let config = AsyncConnectionConfig::new().set_push_sender(sender);
        let mut both = client(&server, "resp3").get_multiplexed_async_connection_with_config(&config).await?;
        both.subscribe("news").await?;
        assert_eq!(next_of(&mut pushes, PushKind::Subscribe).await, ("news".to_owned(), 1));
        for i in 0..100 {
            let receivers: usize = publisher.publish("news", i).await?;
            assert_eq!(receivers, 3);
        }
        // A connection of RESP3 runs commands meanwhile.
        assert_eq!(both.incr::<_, _, i32>("n", 1).await?, 1);
        for i in 0..100 {
            assert_eq!(next_of(&mut pushes, PushKind::Message).await, ("news".to_owned(), i));
        }
        let (_, mut messages) = subscriber.split();
        for i in 0..200 {
            let message = messages.next().await.expect("a message");
            assert_eq!(message.get_payload::<i32>()?, i / 2);
            assert_eq!(message.from_pattern(), i % 2 == 1);
        }
        Ok(())
    });
}

/// The next push, of this kind, as channel and number.
async fn next_of(pushes: &mut UnboundedReceiver<PushInfo>, kind: PushKind) -> (String, i64) {
    let push = pushes.recv().await.expect("a push");
    assert_eq!(push.kind, kind, "{push:?}");
    FromRedisValue::from_redis_value(redis::Value::Array(push.data)).unwrap()
}

#[test]
fn a_connection_that_comes_back() {
    let server = Server::start(&["--appendonly", "yes", "--appendfsync", "always"]);
    let (sender, mut pushes) = unbounded_channel();
    let config = ConnectionManagerConfig::new()
        .set_push_sender(sender)
        .set_automatic_resubscription()
        .set_number_of_retries(1000)
        .set_max_delay(std::time::Duration::from_millis(50));
    run(async {
        let mut manager = ConnectionManager::new_with_config(client(&server, "resp3"), config).await?;
        manager.subscribe("news").await?;
        assert_eq!(next_of(&mut pushes, PushKind::Subscribe).await.0, "news");
        let () = manager.set("k", "v").await?;
        let dir = server.kill();
        let server = Server::start_in(dir, &["--appendonly", "yes"]);
        // The first commands find that the connection is gone.
        let value: String = loop {
            match manager.get("k").await {
                Ok(value) => break value,
                Err(error) => assert!(error.is_connection_dropped() || error.is_io_error(), "{error}"),
            }
        };
        assert_eq!(value, "v");
        while pushes.recv().await.expect("a push").kind != PushKind::Subscribe {}
        server.connect().check("PUBLISH news 7 => :1");
        assert_eq!(next_of(&mut pushes, PushKind::Message).await, ("news".to_owned(), 7));
        Ok(())
    });
}

#[test]
fn streams_and_what_waits_for_them() {
    let server = Server::start(&[]);
    run(async {
        let client = client(&server, "resp3");
        let mut producer = client.get_multiplexed_async_connection().await?;
        let () = producer.xgroup_create_mkstream("events", "group", "$").await?;
        let mut tasks = JoinSet::new();
        for consumer in ["one", "two", "three"] {
            let mut connection = client.get_multiplexed_async_connection().await?;
            tasks.spawn(async move { consume(&mut connection, consumer).await });
        }
        for i in 0..300 {
            let () = producer.xadd_maxlen("events", StreamMaxlen::Approx(10_000), "*", &[("n", i)]).await?;
        }
        for _ in 0..3 {
            let () = producer.xadd("events", "*", &[("n", -1)]).await?;
        }
        let mut seen = Vec::new();
        while let Some(result) = tasks.join_next().await {
            seen.extend(result.unwrap()?);
        }
        seen.sort();
        assert!(seen.iter().copied().eq(0..300), "{seen:?}");
        let pending: redis::streams::StreamPendingReply = producer.xpending("events", "group").await?;
        assert_eq!(pending.count(), 0);
        assert_eq!(producer.xlen::<_, usize>("events").await?, 303);
        // One that takes what another has left.
        let options = StreamReadOptions::default().group("group", "gone");
        let () = producer.xadd("events", "*", &[("n", 300)]).await?;
        let taken: StreamReadReply = producer.xread_options(&["events"], &[">"], &options).await?;
        let id = &taken.keys[0].ids[0].id;
        let claimed: redis::streams::StreamClaimReply = producer.xclaim("events", "group", "one", 0, &[id]).await?;
        assert_eq!(claimed.ids[0].get::<i32>("n"), Some(300));
        Ok(())
    });
}

/// Reads with others of its group until it finds the mark of the end.
async fn consume(connection: &mut MultiplexedConnection, consumer: &str) -> RedisResult<Vec<i32>> {
    let options = StreamReadOptions::default().group("group", consumer).count(1).block(0);
    let mut seen = Vec::new();
    loop {
        let reply: StreamReadReply = connection.xread_options(&["events"], &[">"], &options).await?;
        let entry = &reply.keys[0].ids[0];
        assert_eq!(connection.xack::<_, _, _, usize>("events", "group", &[&entry.id]).await?, 1);
        match entry.get("n") {
            Some(-1) => return Ok(seen),
            n => seen.push(n.expect("a number")),
        }
    }
}

#[test]
fn a_cache_on_the_client() {
    let server = Server::start(&[]);
    run(async {
        let config = AsyncConnectionConfig::new().set_cache_config(redis::caching::CacheConfig::default());
        let mut cached = client(&server, "resp3").get_multiplexed_async_connection_with_config(&config).await?;
        let mut writer = client(&server, "resp3").get_multiplexed_async_connection().await?;
        let () = writer.hset("h", "f", 1).await?;
        let () = writer.set("k", "old").await?;
        for _ in 0..10 {
            assert_eq!(cached.get::<_, String>("k").await?, "old");
            let all: HashMap<String, i32> = cached.hgetall("h").await?;
            assert_eq!(all["f"], 1);
        }
        let statistics = cached.get_cache_statistics().expect("it caches");
        assert_eq!((statistics.hit, statistics.miss), (18, 2));
        let () = writer.set("k", "new").await?;
        // The invalidation comes before the reply to whatever is asked for next.
        let () = redis::cmd("PING").query_async(&mut cached).await?;
        assert_eq!(cached.get::<_, String>("k").await?, "new");
        Ok(())
    });
}

// ---- Python and Node

/// Runs a program to its end; its output, if it failed.
fn finish(command: &mut Command) -> Result<(), String> {
    let output = command.stdin(Stdio::null()).output().map_err(|error| error.to_string())?;
    let text = [output.stdout, output.stderr].concat();
    if output.status.success() { Ok(()) } else { Err(String::from_utf8_lossy(&text).into_owned()) }
}

fn scripts() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/applications")
}

/// A folder that has what `list` names installed in it, by `install`; None if that is impossible here.
///
/// A folder is kept for as long as the list stays the same.
fn installed(list: &str, install: impl FnOnce(&Path) -> Result<(), String>) -> Option<PathBuf> {
    let dir = Path::new(env!("CARGO_TARGET_TMPDIR")).join(list);
    let wanted = std::fs::read(scripts().join(list)).unwrap();
    let mark = dir.join("installed");
    if std::fs::read(&mark).ok().as_ref() != Some(&wanted) {
        let _ = std::fs::remove_dir_all(&dir);
        std::fs::create_dir_all(&dir).unwrap();
        if let Err(problem) = install(&dir) {
            println!("skipped: {list} cannot be installed: {problem}");
            return None;
        }
        std::fs::write(mark, wanted).unwrap();
    }
    Some(dir)
}

/// The Python that has the queues.
fn python() -> Option<&'static PathBuf> {
    static PYTHON: OnceLock<Option<PathBuf>> = OnceLock::new();
    let install = |dir: &Path| {
        finish(Command::new("python3").args(["-m", "venv"]).arg(dir))?;
        let list = scripts().join("requirements.txt");
        finish(Command::new(dir.join("bin/python")).args(["-m", "pip", "install", "--requirement"]).arg(list))
    };
    PYTHON.get_or_init(|| Some(installed("requirements.txt", install)?.join("bin/python"))).as_ref()
}

/// Runs a Python script with a server of its own.
fn run_python(script: &str) {
    let Some(python) = python() else { return };
    let server = Server::start(&[]);
    let mut command = Command::new(python);
    command.arg(scripts().join(script)).arg(server.socket()).current_dir(&server.dir);
    command.env("PYTHONPATH", scripts()).env("PYTHONDONTWRITEBYTECODE", "1");
    finish(&mut command).unwrap_or_else(|output| panic!("{output}"));
    assert_healthy(&server);
}

/// No command of theirs is unknown, and nothing went wrong that they do not show.
fn assert_healthy(server: &Server) {
    let errors = server.connect().ask("INFO errorstats");
    let expected = ["errorstat_NOSCRIPT", "errorstat_BUSYGROUP"];
    let other = errors
        .lines()
        .filter(|line| line.starts_with("errorstat_") && !expected.iter().any(|name| line.starts_with(name)));
    assert_eq!(other.count(), 0, "{errors}");
}

#[test]
fn rq() {
    run_python("rq_queue.py");
}

#[test]
fn celery() {
    run_python("celery_queue.py");
}

#[test]
fn bullmq() {
    // A module finds what it imports in its own folder or above it.
    let install = |dir: &Path| {
        std::fs::copy(scripts().join("package.json"), dir.join("package.json")).map_err(|error| error.to_string())?;
        finish(Command::new("npm").args(["install", "--no-audit", "--no-fund", "--ignore-scripts"]).current_dir(dir))
    };
    let Some(dir) = installed("package.json", install) else { return };
    std::fs::copy(scripts().join("bullmq.mjs"), dir.join("bullmq.mjs")).unwrap();
    let server = Server::start(&[]);
    finish(Command::new("node").arg(dir.join("bullmq.mjs")).arg(server.socket()))
        .unwrap_or_else(|output| panic!("{output}"));
    assert_healthy(&server);
}
