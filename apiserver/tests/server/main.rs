//! The server as its clients see it. Each test owns a whole server in this process, on a port of its own.

#![allow(clippy::unwrap_used)]

mod access;
mod admission;
mod aggregation;
mod apply;
mod audit;
mod bodies;
mod clients;
mod conversions;
mod crud;
mod custom_resources;
mod edge;
mod encryption;
mod fairness;
mod forms;
mod hook;
mod identity;
#[path = "../../encryption/tests/kms/plugin.rs"]
mod kms_plugin;
mod lifecycle;
mod lists;
mod malformed;
mod metrics;
mod outside;
mod policies;
mod quotas;
mod routes;
mod services;
mod streams;
mod support;
mod tls_server;
mod watches;
mod webhooks;
mod writes;
