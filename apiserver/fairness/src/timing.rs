//! Histograms of how long a ratio had which value: each nanosecond is an observation.
//!
//! Source: component-base `metrics/prometheusextension` (timing histograms).

use std::collections::BTreeMap;
use std::sync::Arc;

use parking_lot::Mutex;
use prometheus::core::{Collector, Desc};
use prometheus::proto::{Bucket, Histogram, LabelPair, Metric, MetricFamily, MetricType};

/// A family of such histograms. Cheap to clone.
#[derive(Clone)]
pub struct TimingVec(Arc<Family>);

struct Family {
    name: &'static str,
    help: &'static str,
    bounds: &'static [f64],
    labels: &'static [&'static str],
    desc: Desc,
    series: Mutex<BTreeMap<Vec<String>, Arc<Mutex<Observed>>>>,
}

#[derive(Debug)]
struct Observed {
    counts: Vec<u64>,
    sum: f64,
}

/// One ratio, as it is now.
pub struct Timing {
    bounds: &'static [f64],
    observed: Arc<Mutex<Observed>>,
    value: f64,
    since: u64,
}

impl TimingVec {
    pub fn new(
        name: &'static str,
        help: &'static str,
        bounds: &'static [f64],
        labels: &'static [&'static str],
    ) -> prometheus::Result<TimingVec> {
        let names = labels.iter().map(|label| (*label).to_owned()).collect();
        let desc = Desc::new(name.to_owned(), help.to_owned(), names, Default::default())?;
        Ok(TimingVec(Arc::new(Family { name, help, bounds, labels, desc, series: Mutex::default() })))
    }

    /// The histogram of these labels, for a ratio that is 0 now.
    pub fn of(&self, labels: &[&str], now: u64) -> Timing {
        let bounds = self.0.bounds;
        let key = labels.iter().map(|label| (*label).to_owned()).collect();
        let fresh = || Arc::new(Mutex::new(Observed { counts: vec![0; bounds.len() + 1], sum: 0.0 }));
        let observed = Arc::clone(self.0.series.lock().entry(key).or_insert_with(fresh));
        Timing { bounds, observed, value: 0.0, since: now }
    }
}

impl Timing {
    /// The ratio is this from now on.
    pub fn set(&mut self, value: f64, now: u64) {
        let passed = now.saturating_sub(self.since);
        self.since = self.since.max(now);
        if passed > 0 {
            let bucket = self.bounds.iter().position(|bound| self.value <= *bound).unwrap_or(self.bounds.len());
            let mut observed = self.observed.lock();
            observed.counts[bucket] += passed;
            observed.sum += self.value * passed as f64;
        }
        self.value = value;
    }
}

impl Collector for TimingVec {
    fn desc(&self) -> Vec<&Desc> {
        vec![&self.0.desc]
    }

    fn collect(&self) -> Vec<MetricFamily> {
        let metrics =
            self.0.series.lock().iter().map(|(labels, observed)| self.metric(labels, &observed.lock())).collect();
        let mut family = MetricFamily::default();
        family.set_name(self.0.name.to_owned());
        family.set_help(self.0.help.to_owned());
        family.set_field_type(MetricType::HISTOGRAM);
        family.set_metric(metrics);
        vec![family]
    }
}

impl TimingVec {
    fn metric(&self, values: &[String], observed: &Observed) -> Metric {
        let labels = self.0.labels.iter().zip(values).map(|(name, value)| {
            let mut label = LabelPair::default();
            label.set_name((*name).to_owned());
            label.set_value(value.clone());
            label
        });
        let mut total = 0;
        let buckets = self.0.bounds.iter().zip(&observed.counts).map(|(bound, count)| {
            total += count;
            let mut bucket = Bucket::default();
            bucket.set_upper_bound(*bound);
            bucket.set_cumulative_count(total);
            bucket
        });
        let mut histogram = Histogram::default();
        histogram.set_bucket(buckets.collect());
        histogram.set_sample_count(observed.counts.iter().sum());
        histogram.set_sample_sum(observed.sum);
        let mut metric = Metric::from_label(labels.collect());
        metric.set_histogram(histogram);
        metric
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_nanosecond_counts() {
        let vec = TimingVec::new("x", "help", &[0.5, 1.0], &["level"]).unwrap();
        let mut timing = vec.of(&["a"], 0);
        timing.set(0.75, 10);
        timing.set(2.0, 30);
        timing.set(0.0, 35);
        let families = vec.collect();
        let histogram = families[0].get_metric()[0].get_histogram();
        let counts: Vec<u64> = histogram.get_bucket().iter().map(Bucket::cumulative_count).collect();
        assert_eq!((counts, histogram.get_sample_count()), (vec![10, 30], 35));
        assert_eq!(histogram.get_sample_sum(), 0.75 * 20.0 + 2.0 * 5.0);
    }
}
