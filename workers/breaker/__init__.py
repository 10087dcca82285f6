"""Circuit breakers (熔断器) around what jobs need of others: the signer, the store, the device."""
