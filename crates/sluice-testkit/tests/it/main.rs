//! Tests over the whole: engine, analysis and warehouse together.

#[cfg(test)]
mod billed;
#[cfg(test)]
mod cache;
#[cfg(test)]
mod cases;
#[cfg(test)]
mod failures;
#[cfg(test)]
mod functions;
#[cfg(test)]
mod honest;
#[cfg(test)]
mod interference;
#[cfg(test)]
mod judges;
#[cfg(test)]
mod quoted;
#[cfg(test)]
mod recorded;
#[cfg(test)]
mod required;
#[cfg(test)]
mod robustness;
#[cfg(test)]
mod shapes;
mod sorted;
