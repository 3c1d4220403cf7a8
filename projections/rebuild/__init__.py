"""A read model made anew from the topics, beside the one that serves, and put in its place."""
