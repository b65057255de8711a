//! What the command's exit code says.

use std::process::ExitCode;

macro_rules! exits {
    ($($number:literal $variant:ident $meaning:literal,)+) => {
        /// Exit codes. They are an interface: scripts branch on them.
        #[derive(Clone, Copy, Debug, PartialEq, Eq)]
        #[repr(u8)]
        pub enum Exit {
            $(#[doc = $meaning] $variant = $number,)+
        }

        impl Exit {
            /// All exit codes by number.
            pub const ALL: &[Self] = &[$(Self::$variant,)+];

            /// One phrase.
            pub const fn meaning(self) -> &'static str {
                match self { $(Self::$variant => $meaning,)+ }
            }
        }
    };
}

exits! {
    0 Ok "done",
    1 Failed "not done: the daemon or the command says why",
    2 Usage "wrong arguments; nothing was asked of the daemon",
    3 Unreachable "nobody listens on the socket",
    4 Denied "this user may not do that",
    5 Refused "held back by a guard, such as connections still draining",
    6 Conflict "decided on another generation, or overtaken by another change",
    7 TimedOut "no answer in time: the state is unknown, look at `switcher status`",
    8 Degraded "`status` shows problems",
}

impl From<Exit> for ExitCode {
    fn from(exit: Exit) -> Self {
        Self::from(exit as u8)
    }
}
