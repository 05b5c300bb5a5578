//! A watch cache in front of a store: one copy of each object, one shared event log.
