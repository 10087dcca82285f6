"""The ledger (台账): what became of each job, kept apart from the queue: no message is the only trace of a job."""
