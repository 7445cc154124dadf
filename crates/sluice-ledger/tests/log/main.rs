//! The transparent log from outside: the tree against its definition and against another implementation, texts read strictly.

#[cfg(test)]
mod checkpoint;
#[cfg(test)]
mod corpus;
#[cfg(test)]
mod keys;
#[cfg(test)]
mod note;
#[cfg(test)]
mod oracle;
#[cfg(test)]
mod proof;
#[cfg(test)]
mod reference;
#[cfg(test)]
mod tiles;
#[cfg(test)]
mod tree;
#[cfg(test)]
mod trust;
