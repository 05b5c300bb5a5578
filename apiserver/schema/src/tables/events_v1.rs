//! The types of `events_v1`. Made by `cargo run -p hack-xtask -- codegen`; do not edit.
#![allow(non_upper_case_globals)] // The Go names, so that a type is found by its name.

use super::{core_v1, meta_v1};
use crate::row::*;

pub static Event: Type = object("io.k8s.api.events.v1.Event", &Event_F);
static Event_F: [Field; 17] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ObjectMeta), 1, 0),
    f("eventTime", Shape::MicroTime, 2, R),
    f("series", o(&EventSeries), 3, P | E),
    f("reportingController", Shape::String, 4, E),
    f("reportingInstance", Shape::String, 5, E),
    f("action", Shape::String, 6, E),
    f("reason", Shape::String, 7, E),
    f("regarding", o(&core_v1::ObjectReference), 8, 0),
    f("related", o(&core_v1::ObjectReference), 9, P | E),
    f("note", Shape::String, 10, E),
    f("type", Shape::String, 11, E),
    f("deprecatedSource", o(&core_v1::EventSource), 12, 0),
    f("deprecatedFirstTimestamp", Shape::Time, 13, 0),
    f("deprecatedLastTimestamp", Shape::Time, 14, 0),
    f("deprecatedCount", Shape::Int32, 15, E),
];

pub static EventList: Type = object("io.k8s.api.events.v1.EventList", &EventList_F);
static EventList_F: [Field; 4] = [
    f("kind", Shape::String, 0, E),
    f("apiVersion", Shape::String, 0, E),
    f("metadata", o(&meta_v1::ListMeta), 1, 0),
    f("items", list(&Event_S), 2, R),
];

pub static EventSeries: Type = object("io.k8s.api.events.v1.EventSeries", &EventSeries_F);
static EventSeries_F: [Field; 2] = [
    f("count", Shape::Int32, 1, R),
    f("lastObservedTime", Shape::MicroTime, 2, R),
];

// Elements of lists and maps.
pub static Event_S: Shape = o(&Event);
