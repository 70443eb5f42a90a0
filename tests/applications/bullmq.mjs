// BullMQ with the server at a unix socket: its queues are Lua scripts of up to some hundred lines over
// lists, sorted sets, hashes and streams.
//
// Usage: node bullmq.mjs SOCKET

import assert from "node:assert/strict";
import { once } from "node:events";
import { FlowProducer, Queue, QueueEvents, RateLimitError, UnrecoverableError, Worker } from "bullmq";
import IORedis from "ioredis";

const DEADLINE = 60_000;
const connection = { path: process.argv[2], maxRetriesPerRequest: null };
const redis = new IORedis(connection);
const opened = [];

/** A queue of its own, its events, and a worker that is not yet started. */
async function open(name, work, options = {}) {
    const queue = new Queue(name, { connection });
    const events = new QueueEvents(name, { connection });
    const worker = new Worker(name, work, { connection, autorun: false, ...options });
    await Promise.all([queue.waitUntilReady(), events.waitUntilReady(), worker.waitUntilReady()]);
    worker.on("error", (error) => { throw error; });
    // Each job that is waited for listens here.
    queue.setMaxListeners(0);
    events.setMaxListeners(0);
    opened.push(worker, events, queue);
    return { queue, events, worker, finish: (job) => job.waitUntilFinished(events, DEADLINE) };
}

async function results() {
    const { queue, worker, events, finish } = await open("results", async (job) => {
        await job.updateProgress(50);
        await job.log("half way");
        return { twice: job.data.n * 2 };
    }, { concurrency: 10 });
    const seen = [];
    events.on("progress", ({ jobId, data }) => seen.push([jobId, data]));
    const jobs = await queue.addBulk(Array.from({ length: 300 }, (_, n) => ({ name: "double", data: { n } })));
    assert.equal(await queue.getWaitingCount(), 300);
    worker.run();
    const values = await Promise.all(jobs.map(finish));
    assert.deepEqual(values, jobs.map((_, n) => ({ twice: 2 * n })));
    // Whether a job is done is asked for as well, so that its events may come later.
    while (seen.length < jobs.length) {
        await once(events, "progress");
    }
    assert.deepEqual(seen.map(([id]) => Number(id)).sort((a, b) => a - b), jobs.map((job) => Number(job.id)));
    assert.deepEqual((await queue.getJobLogs(jobs[7].id)).logs, ["half way"]);
    const counts = await queue.getJobCounts();
    assert.equal(counts.completed, 300);
    assert.equal(counts.waiting + counts.active + counts.failed + counts.delayed, 0);
    assert.equal((await queue.clean(0, 100, "completed")).length, 100);
    assert.equal(await queue.getCompletedCount(), 200);
    // The same id twice is one job.
    await worker.pause();
    await queue.add("once", { n: 1 }, { jobId: "the-one" });
    await queue.add("once", { n: 2 }, { jobId: "the-one" });
    assert.equal(await queue.getWaitingCount(), 1);
    assert.deepEqual((await queue.getJob("the-one")).data, { n: 1 });
    await queue.obliterate({ force: true });
    assert.deepEqual((await redis.keys("bull:results:*")).filter((key) => !key.endsWith(":events")), []);
}

async function order() {
    const done = [];
    const { queue, worker, finish } = await open("order", async (job) => { done.push(job.name); });
    await queue.pause();
    await queue.add("plain-1", {});
    await queue.add("low", {}, { priority: 100 });
    await queue.add("high", {}, { priority: 1 });
    await queue.add("plain-2", {});
    await queue.add("front", {}, { lifo: true });
    const raised = await queue.add("raised", {}, { priority: 50 });
    await raised.changePriority({ priority: 2 });
    const last = await queue.add("last", {}, { priority: 1000 });
    assert.equal(await queue.isPaused(), true);
    worker.run();
    await queue.resume();
    await finish(last);
    assert.deepEqual(done, ["front", "plain-1", "plain-2", "high", "raised", "low", "last"]);
}

async function delays() {
    const started = [];
    const { queue, worker, finish } = await open("delays", async (job) => {
        started.push([job.name, Date.now() - job.timestamp]);
    });
    const late = await queue.add("late", {}, { delay: 800 });
    const early = await queue.add("early", {}, { delay: 300 });
    const promoted = await queue.add("promoted", {}, { delay: 3_600_000 });
    assert.equal(await queue.getDelayedCount(), 3);
    // It is in the queue before the others are due, however late the worker begins.
    await promoted.promote();
    worker.run();
    await Promise.all([late, early, promoted].map(finish));
    assert.deepEqual(started.map(([name]) => name), ["promoted", "early", "late"]);
    assert.ok(started[1][1] >= 300 && started[2][1] >= 800, JSON.stringify(started));
}

async function repeats() {
    const runs = [];
    const { queue, worker } = await open("repeats", async (job) => { runs.push([job.name, job.data.n]); });
    await queue.upsertJobScheduler("every", { every: 100, limit: 4 }, { name: "tick", data: { n: 1 } });
    await queue.upsertJobScheduler("removed", { every: 3_600_000, offset: 1 }, { name: "never", data: {} });
    assert.equal(await queue.getJobSchedulersCount(), 2);
    assert.equal(await queue.removeJobScheduler("removed"), true);
    worker.run();
    while (runs.length < 4) {
        await once(worker, "completed");
    }
    assert.deepEqual(runs, Array(4).fill(["tick", 1]));
    // The last run has taken its schedule away with it.
    await queue.removeJobScheduler("every");
    assert.equal(await queue.getJobSchedulersCount(), 0);
}

async function failures() {
    const attempts = {};
    const { queue, worker, finish } = await open("failures", async (job) => {
        attempts[job.name] = job.attemptsMade + 1;
        if (job.name === "hopeless") {
            throw new UnrecoverableError("no use");
        }
        if (job.name === "fails" || job.attemptsMade < 2) {
            throw new Error("on purpose");
        }
        return "at last";
    });
    const backoff = { type: "exponential", delay: 20 };
    const flaky = await queue.add("flaky", {}, { attempts: 5, backoff });
    const fails = await queue.add("fails", {}, { attempts: 2, backoff: { type: "fixed", delay: 10 } });
    const hopeless = await queue.add("hopeless", {}, { attempts: 5 });
    worker.run();
    assert.equal(await finish(flaky), "at last");
    await assert.rejects(finish(fails), /on purpose/);
    await assert.rejects(finish(hopeless), /no use/);
    assert.deepEqual(attempts, { flaky: 3, fails: 2, hopeless: 1 });
    const failed = await queue.getFailed();
    assert.deepEqual(failed.map((job) => [job.name, job.failedReason]).sort(), [["fails", "on purpose"], ["hopeless", "no use"]]);
    const again = new Promise((resolve) => {
        worker.on("failed", (job) => { if (job.attemptsStarted === 3) { resolve(job.id); } });
    });
    await (await queue.getJob(fails.id)).retry();
    assert.equal(await again, fails.id);
    assert.equal(await queue.getFailedCount(), 2);
}

async function stalls() {
    // A worker that takes a job and is never heard of again.
    const { queue, events, worker, finish } = await open("stalls", async () => "rescued", { stalledInterval: 200 });
    const job = await queue.add("lost", {});
    const dead = new Worker("stalls", null, { connection, lockDuration: 100, skipLockRenewal: true });
    opened.push(dead);
    const taken = await dead.getNextJob("token");
    assert.equal(taken.id, job.id);
    const stalled = once(events, "stalled");
    worker.run();
    assert.equal((await stalled)[0].jobId, job.id);
    assert.equal(await finish(job), "rescued");
    await assert.rejects(taken.moveToCompleted("too late", "token", false), /lock/i);
}

async function limits() {
    let started = 0;
    const { queue, worker, finish } = await open("limits", async (job) => {
        started += 1;
        if (job.name === "backs off" && job.attemptsStarted === 1) {
            await worker.rateLimit(100);
            throw new RateLimitError();
        }
    }, { limiter: { max: 2, duration: 200 }, concurrency: 10 });
    const jobs = await queue.addBulk(Array.from({ length: 6 }, (_, n) => ({ name: `job ${n}`, data: {} })));
    const before = Date.now();
    worker.run();
    await Promise.all(jobs.map(finish));
    assert.equal(started, 6);
    // Two more windows have begun since, by the clock of the server, which rounds to milliseconds.
    const took = Date.now() - before;
    assert.ok(took >= 395, `${took} ms`);
    const job = await queue.add("backs off", {});
    await finish(job);
    assert.equal((await queue.getJob(job.id)).attemptsStarted, 2);
}

async function flows() {
    const parents = await open("parents", async (job) => {
        const values = Object.values(await job.getChildrenValues());
        return job.data.n + values.reduce((sum, value) => sum + value, 0);
    });
    const children = await open("children", async (job) => {
        if (job.data.n < 0) {
            throw new Error("negative");
        }
        return job.data.n;
    }, { concurrency: 3 });
    const flow = new FlowProducer({ connection });
    opened.push(flow);
    const child = (n, options) => ({ name: `child ${n}`, queueName: "children", data: { n }, opts: options });
    const nested = { name: "middle", queueName: "parents", data: { n: 100 }, children: [child(10), child(20)] };
    const tree = await flow.add({
        name: "top", queueName: "parents", data: { n: 1000 }, children: [nested, child(1), child(2), child(3)],
    });
    const doomed = await flow.add({
        name: "doomed", queueName: "parents", data: { n: 0 }, children: [child(-1, { failParentOnFailure: true }), child(5)],
    });
    assert.equal(await tree.job.getState(), "waiting-children");
    parents.worker.run();
    children.worker.run();
    assert.equal(await parents.finish(tree.job), 1136);
    await assert.rejects(parents.finish(doomed.job), /failed/);
    assert.deepEqual(await tree.job.getDependenciesCount(), { failed: 0, ignored: 0, processed: 4, unprocessed: 0 });
}

const started = Date.now();
await Promise.all([results, order, delays, repeats, failures, stalls, limits, flows].map(async (part) => {
    await part();
    console.log(`${part.name}: ${Date.now() - started} ms`);
}));
await Promise.all(opened.map((one) => one.close()));
redis.disconnect();
console.log("all is well");
