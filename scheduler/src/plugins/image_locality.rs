//! ImageLocality: prefers nodes that have the pod's images already, the larger and the more widespread the better.

use super::{CycleState, NOTHING, Plugin};
use crate::{
    framework::{Context, MAX_NODE_SCORE, PreScore, Score},
    node::{NodeIndex, NodeInfo},
};

pub const PLUGIN: Plugin = Plugin {
    name: "ImageLocality",
    weight: 1,
    pre_score: Some(&ImageLocality),
    score: Some(&ImageLocality),
    ..NOTHING
};

const MB: i64 = 1024 * 1024;
/// Less than this in sum counts nothing; it is pulled quickly.
const MIN_BYTES: i64 = 23 * MB;
/// More than this per container counts no more.
const MAX_BYTES_PER_CONTAINER: i64 = 1000 * MB;

struct ImageLocality;

/// Those of the pod's images that some node has, and the share of nodes that do.
pub type State = Vec<(Box<str>, f64)>;

impl PreScore for ImageLocality {
    fn pre_score(&self, cx: Context, state: &mut CycleState, _nodes: &[NodeIndex]) -> bool {
        let Some(pending) = &cx.pod.pending else { return false };
        let all = cx.cluster.order().len() as f64;
        let images = pending.images.iter();
        state.image_locality =
            images.filter_map(|image| Some((image.clone(), cx.cluster.image(image)?.len() as f64 / all))).collect();
        !state.image_locality.is_empty()
    }
}

impl Score for ImageLocality {
    fn score(&self, cx: Context, state: &CycleState, index: NodeIndex, _node: &NodeInfo) -> i64 {
        let here = |image: &str| cx.cluster.image(image).and_then(|nodes| nodes.get(&index)).copied().unwrap_or(0);
        let sum = state.image_locality.iter().map(|(image, share)| (here(image) as f64 * share) as i64).sum();
        scaled(sum, cx.pod.pending.as_ref().map_or(1, |pending| pending.containers))
    }
}

fn scaled(bytes: i64, containers: i64) -> i64 {
    let most = MAX_BYTES_PER_CONTAINER * containers.max(1);
    MAX_NODE_SCORE * (bytes.clamp(MIN_BYTES, most) - MIN_BYTES) / (most - MIN_BYTES)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scores_by_size() {
        assert_eq!(scaled(0, 1), 0);
        assert_eq!(scaled(1000 * MB, 1), 100);
        assert_eq!(scaled(2000 * MB, 1), 100);
        assert_eq!(scaled(1000 * MB, 2), 49);
    }
}
