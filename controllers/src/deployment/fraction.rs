//! maxSurge and maxUnavailable, as numbers of pods.

use k8s_openapi::{
    api::apps::v1::{Deployment, RollingUpdateDeployment},
    apimachinery::pkg::util::intstr::IntOrString,
};

/// The most pods above the wanted number; 0 unless rolling.
pub fn max_surge(deployment: &Deployment, replicas: i32) -> i32 {
    rolling(deployment).map_or(0, |rolling| resolve(rolling, replicas).0)
}

/// The most pods that may be unavailable; 0 unless rolling, and for a wanted number of 0.
pub fn max_unavailable(deployment: &Deployment, replicas: i32) -> i32 {
    match rolling(deployment) {
        Some(rolling) if replicas > 0 => resolve(rolling, replicas).1.min(replicas),
        _ => 0,
    }
}

/// Whether the strategy is RollingUpdate (also when the field is missing: it is the default).
pub fn is_rolling(deployment: &Deployment) -> bool {
    rolling(deployment).is_some()
}

fn rolling(deployment: &Deployment) -> Option<RollingUpdateDeployment> {
    let strategy = deployment.spec.as_ref().and_then(|spec| spec.strategy.clone()).unwrap_or_default();
    match strategy.type_.as_deref() {
        Some("Recreate") => None,
        _ => Some(strategy.rolling_update.unwrap_or_default()),
    }
}

/// Surge is rounded up, unavailable down; where both come to 0, one pod may be unavailable, or nothing could move.
fn resolve(rolling: RollingUpdateDeployment, replicas: i32) -> (i32, i32) {
    let surge = scaled(rolling.max_surge.as_ref(), replicas, true);
    let unavailable = scaled(rolling.max_unavailable.as_ref(), replicas, false);
    (surge, if surge == 0 && unavailable == 0 { 1 } else { unavailable })
}

/// A number, or a percentage of `total`; 0 for nonsense, which the API server does not let through.
pub fn scaled(value: Option<&IntOrString>, total: i32, round_up: bool) -> i32 {
    match value {
        None => 0,
        Some(IntOrString::Int(number)) => *number,
        Some(IntOrString::String(text)) => {
            let Some(percent) = text.strip_suffix('%').and_then(|percent| percent.parse::<i64>().ok()) else {
                return 0;
            };
            let product = percent.saturating_mul(i64::from(total));
            let rounded = if round_up { product.saturating_add(99) / 100 } else { product / 100 };
            i32::try_from(rounded).unwrap_or(i32::MAX)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentages_and_the_way_out_of_a_deadlock() {
        let percent = |text: &str| Some(IntOrString::String(text.into()));
        let number = |number| Some(IntOrString::Int(number));
        let resolve = |max_surge, max_unavailable, replicas| {
            resolve(RollingUpdateDeployment { max_surge, max_unavailable }, replicas)
        };
        assert_eq!(resolve(percent("25%"), percent("25%"), 3), (1, 0));
        assert_eq!(resolve(percent("25%"), percent("25%"), 10), (3, 2));
        assert_eq!(resolve(number(0), percent("10%"), 3), (0, 1));
        assert_eq!(resolve(None, None, 3), (0, 1));
        assert_eq!(resolve(number(5), number(1), 3), (5, 1));
    }
}
