//! The drill: a simulated world that serves the real protocols on loopback.
//!
//! Owns: scenarios, the world's physics, the simulated cluster, and the protocol servers. Must
//! not: import `connect` (a shared bug would hide), or any room but `model`, `text` and `clock`;
//! listen on or talk to anything but loopback.

mod cloud;
pub mod kube;
mod promql;
mod rng;
mod scenario;
mod serve;
mod ticker;
mod world;

use std::io::Write as _;
use std::net::{IpAddr, Ipv4Addr};
use std::os::unix::fs::{DirBuilderExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use tokio::sync::watch;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::clock;
use crate::clock::Driver;
use crate::model::service::Service;

pub use scenario::{SHIPPED, Scenario, ScenarioError, Shipped, Step, Times, Truth};
pub use ticker::Pace;
pub use world::{Answer, UnknownPerson, World};

use serve::Shared;

/// How a drill is run.
#[derive(Clone, Debug)]
pub struct Options {
    /// Decides everything that chance decides.
    pub seed: u64,
    /// How fast world time may go.
    pub pace: Pace,
    /// World time at which it opens, with everything before it as history;
    /// [`Scenario::opens`] if not given.
    pub open_at: Option<clock::World>,
    /// A private directory for the kubeconfig; made if it is not there.
    pub run_dir: PathBuf,
    /// Where the servers listen: a loopback address.
    pub listen: IpAddr,
}

impl Options {
    /// By the wall's pace, from the scenario's opening, on 127.0.0.1.
    pub fn new(seed: u64, run_dir: PathBuf) -> Self {
        Self { seed, pace: Pace::WALL, open_at: None, run_dir, listen: IpAddr::V4(Ipv4Addr::LOCALHOST) }
    }
}

/// Where the world's systems answer. URLs have no trailing slash and no path.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Endpoints {
    /// A kubeconfig with one context.
    pub kubeconfig: PathBuf,
    /// The Kubernetes API, as in the kubeconfig.
    pub kubernetes: String,
    /// CloudWatch.
    pub cloudwatch: String,
    /// CloudWatch Logs.
    pub cloudwatch_logs: String,
    /// STS.
    pub sts: String,
    /// ECS, Elastic Load Balancing, Route 53, zonal shift, and what belongs to them.
    pub aws: String,
    /// Alertmanager.
    pub alertmanager: String,
    /// Prometheus.
    pub prometheus: String,
    /// The AWS region that the alarms' ARNs name.
    pub region: String,
}

/// Why a drill could not start.
#[derive(Debug, thiserror::Error)]
pub enum DrillError {
    /// It was to open outside its world.
    #[error("cannot open the drill at {at}: its world begins at {epoch} and its story ends at {ends}")]
    OutsideWorld {
        /// When it was to open.
        at: clock::World,
        /// When its world begins.
        epoch: clock::World,
        /// When its story ends.
        ends: clock::World,
    },
    /// The pace is none.
    #[error("cannot run the drill at speed {0}: a speed lies above 0 and is at most {most}", most = Pace::MOST)]
    Speed(f64),
    /// No server could listen.
    #[error("cannot listen on {address} for the drill's servers: {why}")]
    Listen {
        /// The address.
        address: IpAddr,
        /// Why.
        why: std::io::Error,
    },
    /// The kubeconfig could not be written.
    #[error("cannot write the drill's kubeconfig {path}: {why}; is there room, and may we write there?")]
    Kubeconfig {
        /// The file.
        path: PathBuf,
        /// Why.
        why: std::io::Error,
    },
    /// The world could not be run up to its opening.
    #[error("cannot run the drill's world up to its opening: {0}")]
    Broken(String),
}

/// A running drill. Dropping it ends its servers and stops its time.
#[derive(Debug)]
pub struct Drill {
    /// Where its systems answer.
    pub endpoints: Endpoints,
    /// Its service catalogue.
    pub services: Vec<Service>,
    /// Its CloudWatch log groups.
    pub log_groups: Vec<String>,
    /// The responder's part, in order; steps before the opening included.
    pub responder: Vec<Step>,
    /// The name of its environment.
    pub environment: String,
    /// When it opened.
    pub opens: clock::World,
    /// When its story is over. World time goes on after that.
    pub ends: clock::World,
    world: Shared,
    pace: watch::Sender<Pace>,
    cancel: CancellationToken,
    tasks: Vec<JoinHandle<()>>,
}

impl Drill {
    /// Runs the world up to its opening, starts its servers, and lets its time go on: tick by
    /// tick, each only when nobody holds world time. `driver` moves to the opening first.
    ///
    /// # Errors
    /// If it cannot open there, listen, or write its kubeconfig.
    pub async fn start(scenario: Scenario, options: Options, mut driver: Driver) -> Result<Self, DrillError> {
        options.pace.check()?;
        let seed = options.seed;
        let opens = options.open_at.unwrap_or_else(|| scenario.opens(seed));
        let (epoch, ends) = (scenario.epoch(), scenario.ends(seed));
        if opens < epoch || opens > ends {
            return Err(DrillError::OutsideWorld { at: opens, epoch, ends });
        }
        let scenario = Arc::new(scenario);
        // Some tens of minutes in one go: off the loop that draws.
        let history = tokio::task::spawn_blocking({
            let scenario = Arc::clone(&scenario);
            move || {
                let (mut world, cluster) = World::new(&scenario, seed);
                world.run_to(opens);
                (world, cluster)
            }
        });
        let (world, cluster) = history.await.map_err(|why| DrillError::Broken(why.to_string()))?;
        let world = Shared::new(world);

        let cancel = CancellationToken::new();
        let mut tasks = Vec::new();
        let mut urls = Vec::new();
        let routers = [
            cluster.router(),
            serve::aws(world.clone()),
            serve::alertmanager(world.clone()),
            serve::prometheus(world.clone()),
        ];
        for router in routers {
            let listening = serve::bind(options.listen).await;
            let refused = |why| DrillError::Listen { address: options.listen, why };
            let listener = listening.map_err(refused)?;
            urls.push(format!("http://{}", listener.local_addr().map_err(refused)?));
            tasks.push(serve::serve(listener, router, cancel.clone()));
        }
        let [kubernetes, aws, alertmanager, prometheus] = <[String; 4]>::try_from(urls)
            .map_err(|urls| DrillError::Broken(format!("{} servers instead of 4", urls.len())))?;
        let kubeconfig = options.run_dir.join("kubeconfig");
        write_private(&options.run_dir, &kubeconfig, &cluster.kubeconfig(&kubernetes))
            .map_err(|why| DrillError::Kubeconfig { path: kubeconfig.clone(), why })?;

        driver.advance(opens);
        let (pace, paced) = watch::channel(options.pace);
        tasks.push(tokio::spawn(ticker::run(world.clone(), driver, paced, cancel.clone())));
        Ok(Self {
            endpoints: Endpoints {
                kubeconfig,
                kubernetes,
                cloudwatch: aws.clone(),
                cloudwatch_logs: aws.clone(),
                sts: aws.clone(),
                aws,
                alertmanager,
                prometheus,
                region: scenario.region().to_owned(),
            },
            services: scenario.services().to_vec(),
            log_groups: scenario.log_groups(),
            responder: Times::new(&scenario, seed).responder,
            environment: scenario.environment().to_owned(),
            opens,
            ends,
            world,
            pace,
            cancel,
            tasks,
        })
    }

    /// Asks somebody of the scenario for something. Counts as an action at the current tick.
    ///
    /// # Errors
    /// If there is nobody of that name; the error says who there is.
    pub fn ask(&self, whom: &str) -> Answer {
        self.world.lock().ask(whom)
    }

    /// World time of the last finished tick.
    pub fn now(&self) -> clock::World {
        self.world.lock().now()
    }

    /// Changes the pace from the next tick on.
    ///
    /// # Errors
    /// If the pace is none.
    pub fn set_pace(&self, pace: Pace) -> Result<(), DrillError> {
        pace.check()?;
        self.pace.send_replace(pace);
        Ok(())
    }

    /// The pace.
    pub fn pace(&self) -> Pace {
        *self.pace.borrow()
    }

    /// Stops time, ends the servers and removes the kubeconfig.
    pub async fn shutdown(mut self) {
        self.cancel.cancel();
        for task in self.tasks.drain(..) {
            // A task that panicked has ended, too.
            let _ = task.await;
        }
        if let Err(why) = tokio::fs::remove_file(&self.endpoints.kubeconfig).await {
            tracing::debug!(%why, "the drill's kubeconfig stays behind");
        }
    }
}

impl Drop for Drill {
    fn drop(&mut self) {
        self.cancel.cancel();
    }
}

fn write_private(directory: &Path, path: &Path, text: &str) -> std::io::Result<()> {
    std::fs::DirBuilder::new().recursive(true).mode(0o700).create(directory)?;
    let mut file = std::fs::OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(path)?;
    file.write_all(text.as_bytes())
}
