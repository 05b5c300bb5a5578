//! What priority and fairness counts, under upstream's names.
//!
//! Source: apiserver `pkg/util/flowcontrol/metrics`.

use prometheus::core::Collector;
use prometheus::{
    Gauge, GaugeVec, Histogram, HistogramOpts, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, Opts,
    Registry, Result,
};

use crate::timing::TimingVec;

const FLOW: [&str; 2] = ["priority_level", "flow_schema"];
const SECONDS: [f64; 13] = [0.0, 0.005, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 5.0, 10.0, 15.0, 30.0];

/// All metrics of one server. Cheap to clone.
#[derive(Clone)]
pub struct Metrics {
    rejected: IntCounterVec,
    dispatched: IntCounterVec,
    waiting: IntGaugeVec,
    waiting_seats: IntGaugeVec,
    executing: IntGaugeVec,
    executing_seats: IntGaugeVec,
    queue_length: HistogramVec,
    wait: HistogramVec,
    execution: HistogramVec,
    watch_count: HistogramVec,
    estimated_seats: HistogramVec,
    pub(crate) limits: Limits,
    pub(crate) fair_fraction: Gauge,
    pub(crate) seat_utilization: TimingVec,
    pub(crate) request_utilization: TimingVec,
    pub(crate) reads_and_writes: TimingVec,
    pub(crate) demand_seats: TimingVec,
}

/// Gauges of levels.
#[derive(Clone)]
pub struct Limits {
    pub nominal: IntGaugeVec,
    pub lower: IntGaugeVec,
    pub upper: IntGaugeVec,
    pub current: IntGaugeVec,
    pub high_watermark: GaugeVec,
    pub average: GaugeVec,
    pub deviation: GaugeVec,
    pub smoothed: GaugeVec,
    pub target: GaugeVec,
    pub r: GaugeVec,
}

/// The metrics of one flow schema in one level.
#[derive(Clone)]
pub struct FlowMetrics {
    rejected: IntCounterVec,
    wait: HistogramVec,
    labels: [String; 2],
    pub dispatched: IntCounter,
    pub waiting: IntGauge,
    pub waiting_seats: IntGauge,
    pub executing: IntGauge,
    pub executing_seats: IntGauge,
    pub queue_length: Histogram,
    pub regular: Histogram,
    pub watch: Histogram,
    pub watch_count: Histogram,
    pub estimated_seats: Histogram,
}

impl FlowMetrics {
    pub fn rejected(&self, reason: &str) {
        self.rejected.with_label_values(&[self.labels[0].as_str(), &self.labels[1], reason]).inc();
    }

    /// How long a request waited in a queue.
    pub fn waited(&self, seconds: f64, executed: bool) {
        let execute = if executed { "true" } else { "false" };
        self.wait.with_label_values(&[self.labels[0].as_str(), &self.labels[1], execute]).observe(seconds);
    }
}

impl Metrics {
    /// Metrics in a registry.
    ///
    /// # Errors
    /// The registry has some of them already.
    pub fn new(registry: &Registry) -> Result<Metrics> {
        let options = |name: &str, help: &str| Opts::new(format!("apiserver_flowcontrol_{name}"), help);
        let histogram = |name: &str, help: &str, buckets: &[f64], labels: &[&str]| {
            let options = HistogramOpts::new(format!("apiserver_flowcontrol_{name}"), help).buckets(buckets.to_vec());
            add(registry, HistogramVec::new(options, labels)?)
        };
        let level = ["priority_level"];
        let of_level = |name: &str, help: &str| add(registry, GaugeVec::new(options(name, help), &level)?);
        let seats_of = |name: &str, help: &str| add(registry, IntGaugeVec::new(options(name, help), &level)?);
        let of_flow = |name: &str, help: &str| add(registry, IntGaugeVec::new(options(name, help), &FLOW)?);
        const SEATS: &[f64] = &[0.0, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0];
        const REQUESTS: &[f64] = &[0.0, 0.001, 0.003, 0.01, 0.03, 0.1, 0.25, 0.5, 0.75, 1.0];
        const KINDS: &[f64] = &[0.0, 0.001, 0.01, 0.1, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8, 0.9, 0.95, 0.99, 1.0];
        const DEMAND: &[f64] = &[0.2, 0.4, 0.6, 0.8, 1.0, 1.2, 1.4, 1.7, 2.0, 2.8, 4.0, 6.0];
        Ok(Metrics {
            rejected: add(
                registry,
                IntCounterVec::new(
                    options("rejected_requests_total", "Requests turned away, by the reason."),
                    &["priority_level", "flow_schema", "reason"],
                )?,
            )?,
            dispatched: add(
                registry,
                IntCounterVec::new(options("dispatched_requests_total", "Requests that were served."), &FLOW)?,
            )?,
            waiting: of_flow("current_inqueue_requests", "Requests that wait in queues.")?,
            waiting_seats: of_flow("current_inqueue_seats", "Seats of the requests that wait in queues.")?,
            executing: of_flow("current_executing_requests", "Requests being served, and watches being begun.")?,
            executing_seats: of_flow("current_executing_seats", "Seats of the requests being served.")?,
            queue_length: histogram(
                "request_queue_length_after_enqueue",
                "The length of a queue when a request has come to it.",
                &[0.0, 10.0, 25.0, 50.0, 100.0, 250.0, 500.0, 1000.0],
                &FLOW,
            )?,
            wait: histogram(
                "request_wait_duration_seconds",
                "How long requests waited in queues, in seconds.",
                &SECONDS,
                &["priority_level", "flow_schema", "execute"],
            )?,
            execution: histogram(
                "request_execution_seconds",
                "How long requests took their seats, in seconds.",
                &SECONDS,
                &["priority_level", "flow_schema", "type"],
            )?,
            watch_count: histogram(
                "watch_count_samples",
                "How many watches hear of a change.",
                &[0.0, 1.0, 10.0, 100.0, 1000.0, 10000.0],
                &FLOW,
            )?,
            estimated_seats: histogram(
                "work_estimated_seats",
                "How many seats requests were thought to need.",
                &[1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 100.0],
                &FLOW,
            )?,
            limits: Limits {
                nominal: seats_of("nominal_limit_seats", "A level's own seats.")?,
                lower: seats_of("lower_limit_seats", "A level's seats when it lends all that it may.")?,
                upper: seats_of("upper_limit_seats", "A level's seats when it borrows all that it may.")?,
                current: seats_of("current_limit_seats", "A level's seats now.")?,
                high_watermark: of_level("demand_seats_high_watermark", "The most seats wanted in the last period.")?,
                average: of_level("demand_seats_average", "Seats wanted on average in the last period.")?,
                deviation: of_level("demand_seats_stdev", "How the seats wanted in the last period varied.")?,
                smoothed: of_level("demand_seats_smoothed", "Seats wanted, smoothed over periods.")?,
                target: of_level("target_seats", "Seats that a level was to be given.")?,
                r: of_level("current_r", "Seat-seconds due to each queue since the start.")?,
            },
            fair_fraction: add(
                registry,
                Gauge::with_opts(options("seat_fair_frac", "The fraction of its target that each level was given."))?,
            )?,
            seat_utilization: add(
                registry,
                TimingVec::new(
                    "apiserver_flowcontrol_priority_level_seat_utilization",
                    "Seats in use as a part of the limit, each nanosecond.",
                    SEATS,
                    &["phase", "priority_level"],
                )?,
            )?,
            request_utilization: add(
                registry,
                TimingVec::new(
                    "apiserver_flowcontrol_priority_level_request_utilization",
                    "Requests waiting and executing as a part of their limit, each nanosecond.",
                    REQUESTS,
                    &["phase", "priority_level"],
                )?,
            )?,
            reads_and_writes: add(
                registry,
                TimingVec::new(
                    "apiserver_flowcontrol_read_vs_write_current_requests",
                    "Requests waiting and executing by kind as a part of their limit, each nanosecond.",
                    KINDS,
                    &["phase", "request_kind"],
                )?,
            )?,
            demand_seats: add(
                registry,
                TimingVec::new(
                    "apiserver_flowcontrol_demand_seats",
                    "Seats wanted as a part of the level's seats, each nanosecond.",
                    DEMAND,
                    &["priority_level"],
                )?,
            )?,
        })
    }

    pub(crate) fn flow(&self, level: &str, schema: &str) -> FlowMetrics {
        let labels = [level, schema];
        let execution = |kind| self.execution.with_label_values(&[level, schema, kind]);
        FlowMetrics {
            rejected: self.rejected.clone(),
            wait: self.wait.clone(),
            labels: [level.to_owned(), schema.to_owned()],
            dispatched: self.dispatched.with_label_values(&labels),
            waiting: self.waiting.with_label_values(&labels),
            waiting_seats: self.waiting_seats.with_label_values(&labels),
            executing: self.executing.with_label_values(&labels),
            executing_seats: self.executing_seats.with_label_values(&labels),
            queue_length: self.queue_length.with_label_values(&labels),
            regular: execution("regular"),
            watch: execution("watch"),
            watch_count: self.watch_count.with_label_values(&labels),
            estimated_seats: self.estimated_seats.with_label_values(&labels),
        }
    }
}

fn add<C: Collector + Clone + 'static>(registry: &Registry, collector: C) -> Result<C> {
    registry.register(Box::new(collector.clone()))?;
    Ok(collector)
}
