//! The picture as an on-call engineer meets it: scripts of signals, and what is noticed in them.

#![cfg(feature = "operator")]

mod alerts;
mod changes;
mod kit;
mod logs;
mod properties;
mod services;
mod situation;
mod sources;
mod workloads;
