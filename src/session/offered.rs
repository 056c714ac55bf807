//! Which commands are offered: what cannot run now is not.

use super::WriteWindow;
use super::commands::{Danger, Declaration};

/// The commands that are offered: those that change a system are absent while the session is
/// read-only, but for the one that opens the write window, where that may be opened. `may_act`:
/// whether anything may ever be changed here.
pub fn offered(may_act: bool, window: &WriteWindow) -> impl Fn(&Declaration) -> bool + use<> {
    let now = matches!(window, WriteWindow::Open { .. });
    move |it| it.danger != Danger::Act || (may_act && (now || it.id == "write"))
}
