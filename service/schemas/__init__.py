"""The shapes of questions and answers. Clients rely on them: fields are added, never renamed."""
