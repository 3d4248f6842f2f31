"""The exercise in plain Python: lists, loops and dicts, turned into tensors at the end."""

import math
from collections import defaultdict

import numpy as np
import torch


class TabularDataset(torch.utils.data.Dataset):
    def __init__(self, features, labels, transform=None):
        if features.shape[0] != labels.shape[0]:
            raise ValueError("features and labels differ in length")
        self.rows = [(row.astype(np.float32).tolist(), int(label)) for row, label in zip(features, labels, strict=True)]
        self.transform = transform or (lambda row: row)

    def __len__(self):
        return len(self.rows)

    def __getitem__(self, index):
        values, label = self.rows[index]
        return self.transform(torch.tensor(values)), torch.tensor(label)


def pad_collate(batch, padding_value=0.0):
    longest = max(sequence.shape[0] for sequence, _ in batch)
    padded = []
    for sequence, _ in batch:
        missing = (longest - sequence.shape[0], *sequence.shape[1:])
        padded.append(torch.cat([sequence, torch.full(missing, padding_value, dtype=sequence.dtype)]))
    lengths = torch.tensor([sequence.shape[0] for sequence, _ in batch])
    return torch.stack(padded), lengths, torch.tensor([label for _, label in batch])


def stratified_split(labels, fraction, generator):
    if fraction <= 0 or fraction >= 1:
        raise ValueError("fraction")
    classes = defaultdict(list)
    for row, label in enumerate(labels.tolist()):
        classes[label].append(row)
    train, held_out = [], []
    for label in sorted(classes):
        members = classes[label]
        n = len(members)
        count = math.floor(fraction * n + 0.5)
        if count == 0 and n > 1:
            count = 1
        if count == n:
            count = n - 1
        shuffled = [members[i] for i in torch.randperm(n, generator=generator).tolist()]
        held_out.extend(shuffled[:count])
        train.extend(shuffled[count:])
    return torch.tensor(sorted(train)), torch.tensor(sorted(held_out), dtype=torch.int64)


def fit_normalizer(train):
    numbers = train.double().numpy()
    mean = numbers.mean(axis=0)
    deviation = np.sqrt(((numbers - mean) ** 2).mean(axis=0))
    for column in range(numbers.shape[1]):
        if len(set(numbers[:, column].tolist())) == 1:
            mean[column], deviation[column] = numbers[0, column], 1.0

    def normalize(x):
        return torch.from_numpy((x.double().numpy() - mean) / deviation).to(x.dtype)

    return normalize


class BucketBatchSampler(torch.utils.data.Sampler):
    def __init__(self, lengths, batch_size, batches_per_pool=50, drop_last=False, seed=0):
        for size in (batch_size, batches_per_pool):
            if size <= 0:
                raise ValueError("sizes are positive")
        self.lengths, self.batch_size, self.batches_per_pool = list(lengths), batch_size, batches_per_pool
        self.drop_last, self.seed, self.epoch = drop_last, seed, 0

    def set_epoch(self, epoch):
        self.epoch = epoch

    def __iter__(self):
        generator = torch.Generator()
        generator.manual_seed(self.epoch + self.seed)
        rows = torch.randperm(len(self.lengths), generator=generator).tolist()
        pool_size, batches = self.batches_per_pool * self.batch_size, []
        while rows:
            pool, rows = rows[:pool_size], rows[pool_size:]
            pool.sort(key=self.lengths.__getitem__)
            while pool:
                batch, pool = pool[: self.batch_size], pool[self.batch_size :]
                if len(batch) == self.batch_size or not self.drop_last:
                    batches.append(batch)
        return iter([batches[i] for i in torch.randperm(len(batches), generator=generator).tolist()])

    def __len__(self):
        if self.drop_last:
            return len(self.lengths) // self.batch_size
        return math.ceil(len(self.lengths) / self.batch_size)
