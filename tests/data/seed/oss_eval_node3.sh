#!/bin/bash
#SBATCH --partition batch
#SBATCH --time 24:00:00
#SBATCH --nodes 1
#SBATCH --gpus-per-node=8
#SBATCH --ntasks-per-node=1
#SBATCH --job-name oss_eval_node3
#SBATCH --mem=0
#SBATCH --overcommit
#SBATCH --exclusive
#SBATCH --dependency=singleton
#SBATCH --output=oss_eval_node3.out
#SBATCH --error=oss_eval_node3.err

set -x
hostname -i
source ~/.bashrc
source ~/miniconda3/etc/profile.d/conda.sh
conda activate vllm1

# Check for existing GPU processes before starting vLLM
GPU_PROCESSES=$(nvidia-smi --query-compute-apps=pid,process_name,used_memory --format=csv,noheader 2>/dev/null | wc -l)
if [ "$GPU_PROCESSES" -gt 0 ]; then
    echo "WARNING: $GPU_PROCESSES stale processes"
    # Kill stale processes owned by current user
    for pid in $(nvidia-smi --query-compute-apps=pid --format=csv,noheader); do
        if [ "$(ps -o user= -p "$pid")" = "$USER" ]; then
            kill -9 $pid
        fi
    done
    sleep 5
fi

export VLLM_LOGGING_LEVEL=INFO
UTILIZATION=0.88 # 0.95 ran out of memory with MTP

VLLM_CACHE_ROOT=/tmp/vllm_cache/next_0 CUDA_VISIBLE_DEVICES=0,1 vllm serve Qwen/Qwen3-Next-80B-A3B-Instruct-FP8 \
    --port 1920 --tensor-parallel-size 2 --gpu-memory-utilization ${UTILIZATION} \
    --enable-auto-tool-choice --tool-call-parser hermes \
    --speculative-config '{"method":"qwen3_next_mtp","num_speculative_tokens":4}' \
    --tokenizer-mode auto --no-enable-chunked-prefill --no-enable-prefix-caching \
    --compilation_config.pass_config.enable_fi_allreduce_fusion true \
    --compilation_config.pass_config.enable_noop true &
sleep 60

VLLM_CACHE_ROOT=/tmp/vllm_cache/next_1 CUDA_VISIBLE_DEVICES=2,3 vllm serve Qwen/Qwen3-Next-80B-A3B-Instruct-FP8 \
    --port 1921 --tensor-parallel-size 2 --gpu-memory-utilization ${UTILIZATION} \
    --enable-auto-tool-choice --tool-call-parser hermes \
    --speculative-config '{"method":"qwen3_next_mtp","num_speculative_tokens":4}' \
    --tokenizer-mode auto --no-enable-chunked-prefill --no-enable-prefix-caching \
    --compilation_config.pass_config.enable_fi_allreduce_fusion true \
    --compilation_config.pass_config.enable_noop true &
sleep 60

VLLM_CACHE_ROOT=/tmp/vllm_cache/next_2 CUDA_VISIBLE_DEVICES=4,5 vllm serve Qwen/Qwen3-Next-80B-A3B-Instruct-FP8 \
    --port 1922 --tensor-parallel-size 2 --gpu-memory-utilization ${UTILIZATION} \
    --enable-auto-tool-choice --tool-call-parser hermes \
    --speculative-config '{"method":"qwen3_next_mtp","num_speculative_tokens":4}' \
    --tokenizer-mode auto --no-enable-chunked-prefill --no-enable-prefix-caching \
    --compilation_config.pass_config.enable_fi_allreduce_fusion true \
    --compilation_config.pass_config.enable_noop true &
sleep 60

VLLM_CACHE_ROOT=/tmp/vllm_cache/next_3 CUDA_VISIBLE_DEVICES=6,7 vllm serve Qwen/Qwen3-Next-80B-A3B-Instruct-FP8 \
    --port 1923 --tensor-parallel-size 2 --gpu-memory-utilization ${UTILIZATION} \
    --enable-auto-tool-choice --tool-call-parser hermes \
    --speculative-config '{"method":"qwen3_next_mtp","num_speculative_tokens":4}' \
    --tokenizer-mode auto --no-enable-chunked-prefill --no-enable-prefix-caching \
    --compilation_config.pass_config.enable_fi_allreduce_fusion true \
    --compilation_config.pass_config.enable_noop true &
sleep 60

sleep 15000
