"""How the names model is trained: corpora, generated texts, the learner, the evaluation."""
