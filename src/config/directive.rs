//! What a row of the table in `directives.rs` turns into.

use bitflags::bitflags;

use super::Config;

bitflags! {
    /// How a directive may be set, and what may be shown of it.
    #[derive(Clone, Copy, Debug, PartialEq, Eq)]
    pub struct Flags: u8 {
        /// Only a file or the command line sets it, CONFIG SET doesn't.
        const IMMUTABLE = 1;
        /// CONFIG SET takes it as far as `enable-protected-configs` lets it.
        const PROTECTED = 1 << 1;
        /// The value must not appear in MONITOR, the slow log or the log.
        const SENSITIVE = 1 << 2;
        /// Takes several words; a single one is split at its spaces.
        const MULTI_ARG = 1 << 3;
        /// CONFIG GET shows it only by its exact name.
        const HIDDEN = 1 << 4;
        /// CONFIG SET refuses it while the data set is being loaded.
        const DENY_LOADING = 1 << 5;
        /// Stands for something that changes by itself (a file's content): setting it to the
        /// value it has already counts as a change.
        const VOLATILE = 1 << 6;
    }
}

/// Whether what a directive configures exists.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Status {
    /// It does.
    Works,
    /// It does not yet: other values than the default cause a warning at start.
    Later,
    /// It never will, for this reason, which the warning gives.
    Ignored(&'static str),
}

/// One directive: a row of the table.
pub struct Directive {
    /// The name, in lower case.
    pub name: &'static str,
    /// A second name that older files use. CONFIG GET lists it too.
    pub alias: Option<&'static str>,
    /// How it may be set.
    pub flags: Flags,
    /// Whether what it configures exists.
    pub status: Status,
    pub(super) show: fn(&Config) -> Vec<u8>,
    pub(super) parse: fn(&mut Config, &[Vec<u8>]) -> Result<(), String>,
    pub(super) parse_further: fn(&mut Config, &[Vec<u8>]) -> Result<(), String>,
    pub(super) same: fn(&Config, &Config) -> bool,
    /// What follows the name in a file, one text a line.
    pub(super) lines: fn(&Config) -> Vec<Vec<u8>>,
    /// The same where an included file says something else of it.
    pub(super) further_lines: fn(&Config) -> Vec<Vec<u8>>,
}

impl Directive {
    /// The value as CONFIG GET shows it.
    pub fn get(&self, config: &Config) -> Vec<u8> {
        (self.show)(config)
    }

    /// Whether the two configurations agree in this directive.
    pub fn same(&self, left: &Config, right: &Config) -> bool {
        (self.same)(left, right)
    }

    /// Whether `name` is its name or its alias, in upper or lower case.
    pub fn is_called(&self, name: &[u8]) -> bool {
        let mut names = [Some(self.name), self.alias].into_iter().flatten();
        names.any(|own| name.eq_ignore_ascii_case(own.as_bytes()))
    }
}

impl std::fmt::Debug for Directive {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Directive({})", self.name)
    }
}

/// Two entries are equal if they are the same row.
impl PartialEq for Directive {
    fn eq(&self, other: &Self) -> bool {
        self.name == other.name
    }
}

impl Eq for Directive {}

/// Declares `Config` with one field a row, its defaults, and `DIRECTIVES` with one entry a row.
macro_rules! directives {
    (
        $(
            $(#[$doc:meta])*
            $name:literal $(| $alias:literal)? =>
            $field:ident: $type:ty = $default:expr, $kind:expr, [$($flag:ident),*], $status:expr;
        )*
        beside them {
            $($(#[$other_doc:meta])* $other:ident: $other_type:ty = $other_default:expr;)*
        }
    ) => {
        /// The configuration: one field for each directive, and what else a file may say.
        #[derive(Clone, Debug)]
        pub struct Config {
            $(
                #[doc = concat!("`", $name, "`.")]
                $(#[$doc])*
                pub $field: $type,
            )*
            $($(#[$other_doc])* pub $other: $other_type,)*
        }

        impl Default for Config {
            fn default() -> Self {
                Config {
                    $($field: $default,)*
                    $($other: $other_default,)*
                }
            }
        }

        /// Every directive that has a value, in the order of the table.
        pub static DIRECTIVES: &[Directive] = &[$(
            Directive {
                name: $name,
                alias: [$(Some($alias),)? None][0],
                flags: Flags::empty()$(.union(Flags::$flag))*,
                status: $status,
                show: |config| Kind::<$type>::show(&$kind, &config.$field),
                parse: |config, words| {
                    config.$field = Kind::<$type>::parse(&$kind, words, &config.$field)?;
                    Ok(())
                },
                parse_further: |config, words| {
                    config.$field = Kind::<$type>::parse_further(&$kind, words, &config.$field)?;
                    Ok(())
                },
                same: |left, right| left.$field == right.$field,
                lines: |config| Kind::<$type>::lines(&$kind, &config.$field),
                further_lines: |config| Kind::<$type>::further_lines(&$kind, &config.$field),
            },
        )*];
    };
}
pub(super) use directives;
