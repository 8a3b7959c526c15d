"""What functions of TensorFlowOnSpark programs import, over tfos's `ctx`.

tfos puts this package in the place of TensorFlowOnSpark where that is not installed
(tfos.dropin). TFNode and compat do what theirs do; what needs a driver is refused, with the
tfos command that does it. docs/migration.md has both sides by name.
"""
