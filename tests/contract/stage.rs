//! A drill's world as the other side of a contract: its servers, its time, and a door before each
//! server that can be shut.

use tokio::net::{TcpListener, TcpStream};
use tokio_util::sync::CancellationToken;
use warroom::clock::Clock;
use warroom::drill::{Drill, Options, Pace, Scenario};

use crate::port::Port;

/// A drill that runs, in a folder of its own.
pub(crate) struct Stage {
    pub(crate) drill: Drill,
    pub(crate) clock: Clock,
    _folder: tempfile::TempDir,
}

impl Stage {
    /// Plays the scenario file `text` at `speed` times the wall, from its opening. It stands still
    /// while a poll is under way, so a busy machine makes it slower, not different.
    pub(crate) async fn open(text: &str, speed: f64) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let scenario = Scenario::parse("the contract's scenario", text).unwrap_or_else(|why| panic!("{why}"));
        let options = Options { pace: Pace::Speed(speed), ..Options::new(1, folder.path().join("run")) };
        let (clock, driver) = Clock::driven(scenario.epoch());
        let drill = Drill::start(scenario, options, driver).await.unwrap_or_else(|why| panic!("{why}"));
        Self { drill, clock, _folder: folder }
    }
}

/// A door before a server, on a port that stays the same: shut, it refuses connections and cuts
/// those there are, as a server does that is being restarted.
pub(crate) struct Door {
    port: Port,
    behind: String,
    open: Option<CancellationToken>,
}

impl Door {
    /// An open door before `url`, `http://HOST:PORT`.
    pub(crate) async fn before(url: &str) -> Self {
        let behind = url.strip_prefix("http://").unwrap().to_owned();
        let mut door = Self { port: Port::new(), behind, open: None };
        door.open().await;
        door
    }

    pub(crate) fn url(&self) -> String {
        self.port.url()
    }

    /// Shuts it; returns when nobody listens any more.
    pub(crate) async fn shut(&mut self) {
        if let Some(open) = self.open.take() {
            open.cancel();
        }
        while TcpStream::connect(self.port.address()).await.is_ok() {
            tokio::task::yield_now().await;
        }
    }

    /// Opens it, again.
    pub(crate) async fn open(&mut self) {
        let listener = self.port.listen().await;
        self.serve(listener);
    }

    fn serve(&mut self, listener: TcpListener) {
        let open = CancellationToken::new();
        let (behind, shut) = (self.behind.clone(), open.clone());
        tokio::spawn(open.clone().run_until_cancelled_owned(async move {
            while let Ok((mut near, _)) = listener.accept().await {
                let behind = behind.clone();
                tokio::spawn(shut.clone().run_until_cancelled_owned(async move {
                    if let Ok(mut far) = TcpStream::connect(behind).await {
                        // However it ends, both ends are closed.
                        let _ = tokio::io::copy_bidirectional(&mut near, &mut far).await;
                    }
                }));
            }
        }));
        self.open = Some(open);
    }
}

impl Drop for Door {
    fn drop(&mut self) {
        if let Some(open) = self.open.take() {
            open.cancel();
        }
    }
}
