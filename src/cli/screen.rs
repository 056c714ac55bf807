//! stub
use super::*;
use super::start::Opening;
use crate::session::{Core, Done};
pub(super) async fn run(_o: Opening, _c: Core, _cfg: &crate::config::Config, _p: &crate::config::ProcessEnv, _a: &super::arguments::SessionArguments) -> Result<(Done, Core), Failure> { Err(anyhow::anyhow!("no screen yet").into()) }
