//! What members of a network meet, one by one. The numbers are those of the table in `RULES.md`.

mod contract;
mod definitions;
mod identity;
mod messages;
mod order;
mod pins;
mod private;
mod release;
