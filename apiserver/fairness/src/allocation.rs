//! How seats are shared out: each level's own, and what levels lend each other.
//!
//! Source: apiserver `pkg/util/flowcontrol/conc_alloc.go` for what a fair sharing is; KEP-1040 for borrowing.

/// A target below this is taken for this: nothing may be divided by zero.
const MIN_TARGET: f64 = 0.001;

/// What one level asks for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Claim {
    /// At least `lower`.
    pub target: f64,
    pub lower: f64,
    pub upper: f64,
}

impl Claim {
    fn target(&self) -> f64 {
        self.target.max(MIN_TARGET)
    }

    fn at(&self, fraction: f64) -> f64 {
        (fraction * self.target()).clamp(self.lower, self.upper)
    }
}

/// Shares out `sum`: to each claim the same fraction of its target, but within its bounds. Answers the shares and the
/// fraction; none where the bounds do not allow such a sum.
pub fn share_out(sum: f64, claims: &[Claim]) -> Option<(Vec<f64>, f64)> {
    let total = |fraction: f64| claims.iter().map(|claim| claim.at(fraction)).sum::<f64>();
    let shares = |fraction: f64| claims.iter().map(|claim| claim.at(fraction)).collect();
    let is_valid = |claim: &Claim| claim.lower >= 0.0 && claim.upper >= claim.lower && claim.target >= claim.lower;
    if !claims.iter().all(is_valid) {
        return None;
    }
    // Between two of these the total grows in a straight line.
    let mut bends: Vec<f64> =
        claims.iter().flat_map(|claim| [claim.lower / claim.target(), claim.upper / claim.target()]).collect();
    bends.sort_by(f64::total_cmp);
    let (first, last) = (*bends.first()?, *bends.last()?);
    const SLACK: f64 = 1e-7;
    if total(first) > sum + SLACK || total(last) < sum - SLACK {
        return None;
    }
    if total(first) >= sum - SLACK {
        return Some((shares(first), first));
    }
    let next = bends.iter().position(|bend| total(*bend) >= sum).unwrap_or(bends.len() - 1);
    let (low, high) = (bends[next.saturating_sub(1)], bends[next]);
    let (at_low, at_high) = (total(low), total(high));
    let fraction = if at_high > at_low { low + (sum - at_low) / (at_high - at_low) * (high - low) } else { high };
    Some((shares(fraction), fraction))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claim(target: f64, lower: f64, upper: f64) -> Claim {
        Claim { target, lower, upper }
    }

    #[test]
    fn bounds_hold_and_the_rest_is_even() {
        let (shares, fraction) = share_out(12.0, &[claim(2.0, 0.0, 100.0), claim(4.0, 0.0, 100.0)]).unwrap();
        assert_eq!((shares, fraction), (vec![4.0, 8.0], 2.0));
        let (shares, _) = share_out(12.0, &[claim(2.0, 0.0, 3.0), claim(4.0, 0.0, 100.0)]).unwrap();
        assert_eq!(shares, [3.0, 9.0]);
        let (shares, _) = share_out(3.0, &[claim(2.0, 2.0, 3.0), claim(4.0, 0.0, 100.0)]).unwrap();
        assert_eq!(shares, [2.0, 1.0]);
        assert!(share_out(1.0, &[claim(2.0, 2.0, 3.0)]).is_none());
        assert!(share_out(4.0, &[claim(2.0, 2.0, 3.0)]).is_none());
        assert!(share_out(4.0, &[]).is_none());
    }

    proptest::proptest! {
        #[test]
        fn shares_add_up(claims in proptest::collection::vec((0u32..50, 0u32..50, 0u32..50), 1..9), part in 0.0f64..1.0) {
            let claims: Vec<Claim> = claims
                .into_iter()
                .map(|(lower, more, wide)| claim(f64::from(lower + more), f64::from(lower), f64::from(lower + wide)))
                .collect();
            let lower: f64 = claims.iter().map(|claim| claim.lower).sum();
            let upper: f64 = claims.iter().map(|claim| claim.upper).sum();
            let sum = lower + part * (upper - lower);
            let (shares, _) = share_out(sum, &claims).unwrap();
            proptest::prop_assert!((shares.iter().sum::<f64>() - sum).abs() < 1e-6);
            for (share, claim) in shares.iter().zip(&claims) {
                proptest::prop_assert!(*share >= claim.lower && *share <= claim.upper);
            }
        }
    }
}
