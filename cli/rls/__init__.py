"""Row-level security of a user's own tables: what is there (`catalogue`), what is wrong (`rules`), how to mend it."""
