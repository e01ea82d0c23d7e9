from tf_devices import split_cpu

split_cpu()
