//! Several questions at once.

use crate::ports::Asking;
use std::future::poll_fn;
use std::task::Poll;

/// The answers, in the order of the questions.
pub(crate) async fn together<T>(mut asking: Vec<Asking<'_, T>>) -> Vec<T> {
    let mut answers: Vec<Option<T>> = asking.iter().map(|_| None).collect();
    poll_fn(|context| {
        let mut waits = false;
        for (asked, answer) in asking.iter_mut().zip(&mut answers).filter(|(_, answer)| answer.is_none()) {
            match asked.as_mut().poll(context) {
                Poll::Ready(found) => *answer = Some(found),
                Poll::Pending => waits = true,
            }
        }
        if waits { Poll::Pending } else { Poll::Ready(()) }
    })
    .await;
    answers.into_iter().flatten().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::sync::Arc;
    use tokio::sync::Barrier;

    /// Each waits until all have been asked: one by one they would wait for ever.
    #[tokio::test]
    async fn all_are_asked_before_one_answers_and_the_order_stays() {
        let barrier = Arc::new(Barrier::new(5));
        let ask = |number: usize| -> Asking<'static, usize> {
            let barrier = Arc::clone(&barrier);
            Box::pin(async move {
                barrier.wait().await;
                for _ in number..5 {
                    tokio::task::yield_now().await;
                }
                number
            })
        };
        assert_eq!(together((0..5).map(ask).collect()).await, [0, 1, 2, 3, 4]);
        assert_eq!(together(Vec::<Asking<'static, usize>>::new()).await, [0usize; 0]);
    }
}
