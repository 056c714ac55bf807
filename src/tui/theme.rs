//! Themes: what a thing means decides how it is painted.
//!
//! Owns: the roles, the shipped themes, and the files that change them. A role that a theme does
//! not name is painted as its parent. Colours are brought down to what the terminal shows when a
//! theme is loaded, never while drawing.

mod color;
mod file;

use std::collections::BTreeMap;
use std::path::Path;

use ratatui::style::{Color, Style};

use super::position::{Problem, nearest};
use super::term::Depth;

/// The shipped themes, by name: also the files that a user copies to start their own.
const SHIPPED: [(&str, &str); 4] = [
    ("default", include_str!("../../themes/default.toml")),
    ("dark", include_str!("../../themes/dark.toml")),
    ("light", include_str!("../../themes/light.toml")),
    ("mono", include_str!("../../themes/mono.toml")),
];

macro_rules! roles {
    ($($role:ident $name:literal $parent:ident,)*) => {
        /// What a thing on the screen means.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        pub(super) enum Role { $($role,)* }

        impl Role {
            const ALL: &[(Self, &str, Self)] = &[$((Self::$role, $name, Self::$parent),)*];
        }
    };
}

// Each with its name in files and the role that it is painted as when a theme does not name it.
// A parent stands before its children.
roles! {
    Text "text" Text,
    Dim "dim" Text,
    Stale "stale" Dim,
    Border "border" Dim,
    Accent "accent" Text,
    BorderFocus "border.focus" Accent,
    Title "title" Text,
    TitleFocus "title.focus" Accent,
    Header "header" Text,
    EnvProduction "env.production" Header,
    EnvOther "env.other" Header,
    EnvDrill "env.drill" EnvOther,
    ReadOnly "read_only" Header,
    Writable "writable" Header,
    Situation "situation" Text,
    Key "key" Accent,
    Name "name" Text,
    Good "good" Text,
    Warn "warn" Text,
    Bad "bad" Warn,
    Critical "critical" Bad,
    Selected "selected" Text,
    Marked "marked" Text,
    Match "match" Selected,
    New "new" Accent,
    Chip "chip" Accent,
    LogTime "log.time" Dim,
    LogDebug "log.debug" Dim,
    LogInfo "log.info" Text,
    LogWarn "log.warn" Warn,
    LogError "log.error" Bad,
    Spark "spark" Accent,
    SparkBad "spark.bad" Bad,
    Dialog "dialog" BorderFocus,
    DialogDanger "dialog.danger" Bad,
    NoticeInfo "notice.info" Text,
    NoticeDone "notice.done" Good,
    NoticeError "notice.error" Bad,
}

/// Why a theme cannot be used.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ThemeError {
    /// There is none of that name.
    #[error("there is no theme `{name}`{near} (there are {all})")]
    Unknown {
        /// The name.
        name: String,
        /// `; did you mean …?`, or nothing.
        near: String,
        /// All names.
        all: String,
    },
    /// A file is wrong.
    #[error("{0}")]
    File(Problem),
    /// Themes inherit from each other in a circle.
    #[error("the theme `{0}` inherits from itself")]
    Circle(String),
}

/// All themes that can be chosen: the shipped ones with the user's over them.
#[derive(Clone, Debug)]
pub struct Themes {
    files: BTreeMap<String, (String, String)>,
}

impl Themes {
    /// The shipped themes.
    pub fn shipped() -> Self {
        let named = |(name, text): (&str, &str)| (name.to_owned(), (format!("themes/{name}.toml"), text.to_owned()));
        Self { files: SHIPPED.into_iter().map(named).collect() }
    }

    /// Adds a user's file; one that has a shipped theme's name stands in its place.
    pub fn add(&mut self, name: &str, path: &Path, text: String) {
        self.files.insert(name.to_owned(), (path.display().to_string(), text));
    }

    /// The names, in order.
    pub fn names(&self) -> impl Iterator<Item = &str> {
        self.files.keys().map(String::as_str)
    }

    /// The theme of that name for a terminal that shows so many colours. Without colours it is
    /// `mono`, whatever was asked for: colour themes lean on what is not there.
    pub fn load(&self, name: &str, depth: Depth) -> Result<Theme, ThemeError> {
        self.text(name)?;
        let name = if depth == Depth::Mono { "mono" } else { name };
        let mut chain = Vec::new();
        let mut next = Some(name.to_owned());
        while let Some(name) = next {
            if chain.iter().any(|(known, _): &(String, _)| *known == name) {
                return Err(ThemeError::Circle(name));
            }
            let (file, text) = self.text(&name)?;
            let parsed = file::parse(file, text).map_err(ThemeError::File)?;
            next = parsed.inherits.clone();
            chain.push((name, parsed));
        }
        let mut named: [Option<Style>; Role::ALL.len()] = [None; Role::ALL.len()];
        let mut palette = BTreeMap::new();
        for (_, parsed) in chain.iter().rev() {
            palette.extend(parsed.palette.clone());
        }
        for (name, parsed) in chain.iter().rev() {
            for (role, brush) in &parsed.roles {
                let file = self.text(name)?;
                let style = brush.style(&palette).map_err(|what| {
                    ThemeError::File(
                        super::position::Source { file: &file.0, text: &file.1 }.problem(&brush.span, what),
                    )
                })?;
                if let Some(slot) = named.get_mut(*role as usize) {
                    *slot = Some(color::reduce(style, depth));
                }
            }
        }
        let mut styles = [Style::new(); Role::ALL.len()];
        for (role, _, parent) in Role::ALL {
            let inherited = styles.get(*parent as usize).copied().unwrap_or_default();
            if let Some(slot) = styles.get_mut(*role as usize) {
                *slot = named.get(*role as usize).copied().flatten().unwrap_or(inherited);
            }
        }
        Ok(Theme { name: name.to_owned(), depth, styles })
    }

    fn text(&self, name: &str) -> Result<&(String, String), ThemeError> {
        self.files.get(name).ok_or_else(|| ThemeError::Unknown {
            name: name.to_owned(),
            near: nearest(name, self.names()),
            all: self.names().collect::<Vec<_>>().join(", "),
        })
    }
}

/// How each role is painted.
#[derive(Clone, Debug)]
pub struct Theme {
    name: String,
    depth: Depth,
    styles: [Style; Role::ALL.len()],
}

impl Theme {
    /// Without any style: for text that leaves the screen.
    pub(super) fn plain() -> Self {
        Self { name: String::new(), depth: Depth::Mono, styles: [Style::new(); Role::ALL.len()] }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(super) fn get(&self, role: Role) -> Style {
        self.styles.get(role as usize).copied().unwrap_or_default()
    }

    /// The header's badge in a colour that the configuration names, if it names one.
    pub(super) fn badge(&self, named: &str) -> Option<Style> {
        let color = color::parse(named, &BTreeMap::new())?;
        let style = Style::new().fg(Color::Black).bg(color);
        (self.depth != Depth::Mono && color != Color::Reset).then(|| color::reduce(style, self.depth))
    }
}

#[cfg(test)]
mod tests {
    use ratatui::style::Modifier;

    use super::*;

    fn with(text: &str) -> Themes {
        let mut themes = Themes::shipped();
        themes.add("mine", Path::new("/home/ana/mine.toml"), text.into());
        themes
    }

    #[test]
    fn every_shipped_theme_loads_at_every_depth() {
        let themes = Themes::shipped();
        for name in ["default", "dark", "light", "mono"] {
            for depth in [Depth::Mono, Depth::Ansi16, Depth::Ansi256, Depth::True] {
                let theme = themes.load(name, depth).unwrap();
                for (role, name, _) in Role::ALL {
                    let style = theme.get(*role);
                    for color in [style.fg, style.bg].into_iter().flatten() {
                        let fits = match color {
                            Color::Rgb(..) => depth == Depth::True,
                            Color::Indexed(_) => depth >= Depth::Ansi256,
                            Color::Reset => true,
                            _ => depth >= Depth::Ansi16,
                        };
                        assert!(fits, "{name} is {color:?} at {depth:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn a_selection_is_seen_without_colours() {
        let theme = Themes::shipped().load("dark", Depth::Mono).unwrap();
        assert_eq!(theme.name(), "mono");
        assert!(theme.get(Role::Selected).add_modifier.contains(Modifier::REVERSED));
        assert_ne!(theme.get(Role::Bad), theme.get(Role::Text));
    }

    #[test]
    fn a_users_theme_changes_one_role_and_its_children_follow() {
        let themes = with(
            "inherits = \"default\"\n[palette]\nember = \"#ff5500\"\n[roles]\nbad = { fg = \"ember\", bold = true }\n",
        );
        let theme = themes.load("mine", Depth::True).unwrap();
        assert_eq!(theme.get(Role::Bad).fg, Some(Color::Rgb(255, 85, 0)));
        assert_eq!(theme.get(Role::Good), themes.load("default", Depth::True).unwrap().get(Role::Good));
        assert_eq!(themes.load("mine", Depth::Ansi256).unwrap().get(Role::Bad).fg, Some(Color::Indexed(202)));
        assert_eq!(themes.load("mine", Depth::Ansi16).unwrap().get(Role::Bad).fg, Some(Color::LightRed));
    }

    #[test]
    fn a_wrong_file_says_where_and_what_was_meant() {
        for (text, wanted) in [
            (
                "[roles]\ngood = \"green\"\nboder = \"red\"\n",
                "/home/ana/mine.toml:3:1: there is no role `boder`; did you mean `border`?",
            ),
            ("[roles]\ntext = \"gren\"\n", "/home/ana/mine.toml:2:8: `gren` is no colour"),
            (
                "[roles]\ntext = { fg = \"red\", blod = true }\n",
                "/home/ana/mine.toml:2:22: there is no key `blod`; did you mean `bold`?",
            ),
            ("[roles\n", "/home/ana/mine.toml:1:"),
        ] {
            let error = with(text).load("mine", Depth::True).unwrap_err().to_string();
            assert!(error.starts_with(wanted), "{error}");
        }
        let error = Themes::shipped().load("drak", Depth::True).unwrap_err().to_string();
        assert!(error.contains("did you mean `dark`?"), "{error}");
        let error = with("inherits = \"mine\"\n").load("mine", Depth::True).unwrap_err().to_string();
        assert_eq!(error, "the theme `mine` inherits from itself");
    }
}
