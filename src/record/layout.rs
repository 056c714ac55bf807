//! What an incident's directory holds, by name.

/// The writers' files.
pub(super) const JOURNAL: &str = "journal";
/// One track file beside each writer's file, under the same name.
pub(super) const TRACKS: &str = "tracks";
/// Texts, named by their hash.
pub(super) const EVIDENCE: &str = "evidence";
/// No file of the record is read beyond this many bytes.
pub(super) const FILE_CAP: u64 = 512 * 1024 * 1024;
/// The hidden directory, beside the incidents, of the locks of plans.
pub(super) const HELD: &str = ".held";
/// The hidden directory, beside the incidents, of journals that belong to none.
pub(super) const ROLLING: &str = ".rolling";
