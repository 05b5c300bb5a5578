//! How many seats a level wants, over time.
//!
//! Source: apiserver `pkg/util/flowcontrol/fairqueuing/integrator.go`, `apf_controller.go` (seatDemandStats).

/// How much of the smoothed demand is what it was before: half of it is forgotten in five minutes.
const SMOOTHING: f64 = 0.977;

/// Sums up a value over time.
#[derive(Clone, Debug, Default)]
pub struct Integrator {
    value: f64,
    since: u64,
    elapsed: f64,
    sum: f64,
    squares: f64,
    max: f64,
}

impl Integrator {
    pub fn set(&mut self, value: f64, now: u64) {
        self.advance(now);
        self.value = value;
        self.max = self.max.max(value);
    }

    fn advance(&mut self, now: u64) {
        let seconds = now.saturating_sub(self.since) as f64 / 1e9;
        self.since = now;
        self.elapsed += seconds;
        self.sum += self.value * seconds;
        self.squares += self.value * self.value * seconds;
    }

    /// Seconds, average, deviation and maximum since the last time; begins again.
    pub fn reset(&mut self, now: u64) -> Period {
        self.advance(now);
        let average = if self.elapsed > 0.0 { self.sum / self.elapsed } else { 0.0 };
        let variance = if self.elapsed > 0.0 { self.squares / self.elapsed - average * average } else { 0.0 };
        let period = Period { elapsed: self.elapsed, average, deviation: variance.max(0.0).sqrt(), max: self.max };
        (self.elapsed, self.sum, self.squares, self.max) = (0.0, 0.0, 0.0, self.value);
        period
    }
}

#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Period {
    pub elapsed: f64,
    pub average: f64,
    pub deviation: f64,
    pub max: f64,
}

/// What is known of a level's demand.
#[derive(Clone, Copy, Debug, Default, PartialEq)]
pub struct Demand {
    pub high: usize,
    pub average: f64,
    pub deviation: f64,
    /// Rises at once, falls slowly.
    pub smoothed: f64,
}

impl Demand {
    pub fn update(&mut self, period: Period) {
        self.high = period.max.round() as usize;
        if period.elapsed <= 0.0 {
            return;
        }
        (self.average, self.deviation) = (period.average, period.deviation);
        let envelope = period.average + period.deviation;
        self.smoothed = envelope.max(SMOOTHING * self.smoothed + (1.0 - SMOOTHING) * envelope);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn demand_rises_at_once_and_falls_slowly() {
        let mut integrator = Integrator::default();
        integrator.set(4.0, 0);
        integrator.set(0.0, 5_000_000_000);
        let period = integrator.reset(10_000_000_000);
        assert_eq!(period, Period { elapsed: 10.0, average: 2.0, deviation: 2.0, max: 4.0 });
        let mut demand = Demand::default();
        demand.update(period);
        assert_eq!((demand.high, demand.smoothed), (4, 4.0));
        demand.update(integrator.reset(20_000_000_000));
        assert_eq!((demand.high, demand.average), (0, 0.0));
        assert!((demand.smoothed - 4.0 * SMOOTHING).abs() < 1e-9);
    }
}
